from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from langchain_core.tools import BaseTool, ToolException
from PIL import Image

from memento.tools import ToolConfig, image, tool_status
from memento.tools.image import image_tools
from memento.tools.web import Web
from tests.loopback import Answer, Site
from tests.recordings import WORDS, make_sign, needs_tesseract

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Seer:
    """A model that sees: it tells what it was asked, and keeps what it was shown."""

    def __init__(self, error: Exception | None = None, answer: str | None = None) -> None:
        self.shown: list[Image.Image] = []
        self.error = error
        self.answer = answer

    async def see(self, question: str, pictures: Sequence[bytes]) -> str:
        if self.error:
            raise self.error
        self.shown = [Image.open(io.BytesIO(picture)) for picture in pictures]
        return f"asked: {question}" if self.answer is None else self.answer


def tools(folder: Path, seer: Seer | None = None) -> dict[str, BaseTool]:
    web = Web(may_reach=lambda _: True, pause=0)
    config = ToolConfig(files=(folder,), web=web, see=seer.see if seer else None)
    return {offer.tool.name: offer.tool for offer in image_tools(config)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_sign(tmp_path / "sign.png")
    return tmp_path


async def test_a_model_that_sees_is_shown_a_picture_of_a_size_that_it_takes(folder: Path) -> None:
    Image.new("RGBA", (4_000, 1_000), (0, 0, 0, 0)).save(folder / "wide.png")
    seer = Seer()
    look = tools(folder, seer)["look_at_image"]
    said = await look.ainvoke({"path": "wide.png", "question": "What is it?"})
    assert said == "[wide.png, 1568 x 392]\nasked: What is it?"
    [shown] = seer.shown
    assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (1568, 392))
    assert shown.getpixel((0, 0)) == (255, 255, 255)  # what is transparent is shown on white


def test_a_picture_on_the_web(folder: Path) -> None:
    seer = Seer()
    with Site({"/x": Answer((folder / "sign.png").read_bytes(), kind="image/png")}) as site:
        said = tools(folder, seer)["look_at_image"].invoke({"url": f"{site.url}/x", "question": "?"})
        assert said.startswith(f"[{site.url}/x, 900 x 160]")
    assert len(seer.shown) == 1


@needs_tesseract
def test_text_is_read_without_a_model(folder: Path) -> None:
    read = tools(folder)["read_image_text"]
    assert read.invoke({"path": "sign.png"}) == f"[sign.png]\n{WORDS}"
    with pytest.raises(ToolException, match="read_image_text: there is no language 'xyz' here: use eng"):
        read.invoke({"path": "sign.png", "language": "xyz"})
    with pytest.raises(ToolException, match="read_image_text: language: "):
        read.invoke({"path": "sign.png", "language": "eng --user-words /etc/passwd"})


@pytest.mark.parametrize(
    ("seer", "message"),
    [
        (Seer(error=RuntimeError("sk-secret at https://example.org")), r"failed \(RuntimeError\)"),
        (Seer(answer=" "), "said nothing"),
        (None, "no model that sees"),
    ],
)
def test_a_model_that_fails_tells_nothing_of_itself(folder: Path, seer: Seer | None, message: str) -> None:
    with pytest.raises(ToolException, match=f"look_at_image: .*{message}") as failed:
        tools(folder, seer)["look_at_image"].invoke({"path": "sign.png", "question": "?"})
    assert "sk-secret" not in str(failed.value)
    assert failed.value.__cause__ is None


@pytest.mark.parametrize("where", [{}, {"path": "sign.png", "url": "https://example.org/x.png"}])
def test_a_picture_is_a_file_or_an_address(folder: Path, where: dict[str, str]) -> None:
    with pytest.raises(ToolException, match="give the picture's path, or else its url"):
        tools(folder, Seer())["look_at_image"].invoke({"question": "?", **where})


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image.shutil, "which", lambda _: None)
    needs = {item.name: item.needs for item in tool_status(ToolConfig())}
    assert needs["look_at_image"].startswith("set MEMENTO_VISION")
    assert needs["read_image_text"].startswith("install tesseract")
    assert needs["transcribe"].startswith("install ffmpeg")
