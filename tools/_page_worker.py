"""Takes the main text of one HTML page out as Markdown, in a process of its own.

Reads {"html", "url"} from stdin and writes {"title", "date", "text", "links": [[text, url]]} to stdout, or
{"error"}. It has a process because a page may be made to take for ever or to fill the memory. It imports
nothing of the package, so that it starts quickly.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any
from urllib.parse import urljoin

import lxml.etree
import lxml.html
import trafilatura

MAX_TEXT = 2_000_000
MAX_LINKS = 300
_SHORT = 500
_DATES = (
    "//meta[@property='article:published_time']/@content",
    "//meta[@itemprop='datePublished']/@content",
    "//meta[@name='date' or @name='pubdate' or @name='DC.date.issued']/@content",
    "//time/@datetime",
)


def read(job: dict[str, Any]) -> dict[str, Any]:
    parser = lxml.html.HTMLParser(encoding="utf-8")
    tree = lxml.html.document_fromstring(job["html"].encode("utf-8", "replace"), parser=parser)
    title = _line("".join(tree.xpath("string(//title)")))
    date = next((str(found[0]) for path in _DATES if (found := tree.xpath(path))), "")
    links = _links(tree, job["url"])
    markdown: dict[str, Any] = {"output_format": "markdown", "include_comments": False}
    text = trafilatura.extract(tree, fast=True, favor_recall=True, **markdown) or ""
    if len(text) < _SHORT:  # it may be no article, but a form, a list, a few words
        everything = _everything(tree)
        text = everything if len(everything) < 4 * _SHORT or not text else text
    return {"title": title[:300], "date": _line(date)[:10], "text": text[:MAX_TEXT], "links": links}


def _everything(tree: Any) -> str:
    from markdownify import markdownify

    lxml.etree.strip_elements(tree, "head", "script", "style", "noscript", "template", with_tail=False)
    text = markdownify(lxml.html.tostring(tree, encoding="unicode"), heading_style="ATX", strip=["img"])
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _links(tree: Any, base: str) -> list[list[str]]:
    links: dict[str, str] = {}
    for anchor in tree.iter("a"):
        href = (anchor.get("href") or "").strip()
        try:
            target = urljoin(base, href).partition("#")[0]
        except ValueError:
            continue
        if target.startswith(("http://", "https://")) and len(target) <= 500:  # noqa: PLR2004
            links.setdefault(target, "")
            links[target] = links[target] or _line(anchor.text_content())[:120]
        if len(links) >= MAX_LINKS:
            break
    return [[text, target] for target, text in links.items()]


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def main() -> None:
    try:
        reply = read(json.loads(sys.stdin.read()))
    except MemoryError:
        reply = {"error": "memory"}
    except Exception as error:  # noqa: BLE001  (lxml and trafilatura raise many kinds)
        reply = {"error": type(error).__name__}
    sys.stdout.write(json.dumps(reply))


if __name__ == "__main__":
    main()
