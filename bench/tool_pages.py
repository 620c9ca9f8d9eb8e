"""Pages of 1 MB: one as pages are, and the worst that there is, which is nothing but text."""

import random

SIZE = 1_000_000
_WORDS = "time year people way day man thing woman life child world school state family group".split()


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
