"""How long a page of 1 MB takes from the request to Markdown: fetch, decode, and the process that extracts.

    PYTHONPATH=. python bench/fetch_page.py [--runs 10]

Two pages of 1 MB: one as pages are, of which most is markup, scripts and navigation, and one of nothing but
text, the worst there is. The server is on this machine. Target: 1 s.
"""

import argparse
import random
import resource
import statistics
import sys
import time

from memento.tools import ToolConfig
from memento.tools.web import Web
from memento.tools.web_page import web_page_tools
from tests.loopback import Answer, Site

SIZE = 1_000_000
TARGET = 1.0
_WORDS = "time year people way day man thing woman life child world school state family group".split()


def main() -> int:
    """Print the times; 1 when the usual page takes longer than the target."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--runs", type=int, default=10, help="How often each page is fetched.")
    runs = options.parse_args().runs
    medians = {}
    with Site({"/usual": Answer(usual_page()), "/text": Answer(page_of_text())}) as site:
        for name in ("usual", "text"):
            used = processor_seconds()
            times = [fetched(f"{site.url}/{name}") for _ in range(runs)]
            medians[name] = statistics.median(times)
            each = (processor_seconds() - used) / runs
            print(
                f"{name:6} 1 MB: median {medians[name]:.2f} s, worst {max(times):.2f} s of {runs}, "
                f"{each:.2f} s of the processor each"
            )
    return 0 if medians["usual"] <= TARGET else 1


def fetched(url: str) -> float:
    tool = web_page_tools(ToolConfig(web=Web(may_reach=lambda _: True, pause=0)))[0].tool
    began = time.perf_counter()
    text = tool.invoke({"url": url})
    seconds = time.perf_counter() - began
    if "Section 1" not in text:
        raise RuntimeError(text[:200])
    return seconds


def processor_seconds() -> float:
    """What this process and those that it has ended have used, the server included."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def paragraph() -> str:
    return f"{' '.join(random.choices(_WORDS, k=80)).capitalize()}. "


def page_of_text() -> str:
    parts: list[str] = []
    size = 0
    while size < SIZE:
        head = f"<h2>Section {len(parts) // 10 + 1}</h2>" if len(parts) % 10 == 0 else ""
        parts.append(f"{head}<p>{paragraph()}<a href='/{len(parts)}'>more</a></p>")
        size += len(parts[-1])
    return f"<html><head><title>Text</title></head><body><article>{''.join(parts)}</article></body></html>"


def usual_page() -> str:
    """A tenth of it is text, in some 250 paragraphs."""
    data = "window.data.push({'id': 12345, 'label': 'something', 'items': [1, 2, 3]});\n" * 6_000
    script = f"<script>{data}</script>"
    link = "<li class='nav-item nav-item--{0}'><a class='nav-link' href='/section/{0}'>{0}</a></li>"
    menu = "<nav><ul class='nav'>" + "".join(link.format(number) for number in range(800)) + "</ul></nav>"
    mark = "<div class='ad-slot ad-slot--inline' data-slot='{0}' data-size='300x250'><span></span></div>"
    body = "".join(
        f"<div class='content-block content-block--text' id='b{number}'>"
        + (f"<h2 class='heading'>Section {number // 10 + 1}</h2>" if number % 10 == 0 else "")
        + f"<p class='paragraph'>{paragraph()}</p></div>{mark.format(number)}"
        for number in range(250)
    )
    page = (
        f"<html><head><title>Usual</title>{script}</head><body>{menu}<main><article>{body}</article></main>"
    )
    rest = SIZE - len(page)
    style = "<style>" + ".a{color:red}" * (rest // 13) + "</style>"
    return f"{page}{style}<footer>{menu[:5_000]}</footer></body></html>"


if __name__ == "__main__":
    sys.exit(main())
