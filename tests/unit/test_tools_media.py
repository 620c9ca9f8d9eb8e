from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain_core.tools import BaseTool, ToolException

from memento.tools import ToolConfig
from memento.tools.media import media_tools
from tests.recordings import make_film, make_tone, needs_ffmpeg
from tests.unit.test_tools_image import Seer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_ffmpeg


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("recordings")
    make_tone(made / "tone.wav")
    make_tone(made / "long.wav", 301)
    make_film(made / "film.mp4")
    return made


def tools(folder: Path, seer: Seer | None = None) -> dict[str, BaseTool]:
    async def transcribe(sound: bytes) -> str:
        return f"{sound[:4].decode()} of {len(sound)} bytes"

    config = ToolConfig(files=(folder,), see=seer.see if seer else None, transcribe=transcribe)
    return {offer.tool.name: offer.tool for offer in media_tools(config)}


async def test_what_is_said_in_sound_and_film(folder: Path) -> None:
    transcribe = tools(folder)["transcribe"]
    said = await transcribe.ainvoke({"path": "tone.wav"})
    assert said.startswith("[tone.wav, 0:00 to its end at 0:02]\nfLaC of ")
    assert transcribe.invoke({"path": "film.mp4"}).startswith("[film.mp4, 0:00 to its end at 0:06]\nfLaC")


def test_a_long_recording_is_heard_part_by_part(folder: Path) -> None:
    transcribe = tools(folder)["transcribe"]
    assert "[long.wav, 0:00 to 5:00 of 5:01; for the rest give start=300]" in transcribe.invoke(
        {"path": "long.wav"}
    )
    assert "[long.wav, 5:00 to its end at 5:01]" in transcribe.invoke({"path": "long.wav", "start": 300})
    with pytest.raises(ToolException, match="transcribe: it is 5:01 long: begin earlier"):
        transcribe.invoke({"path": "long.wav", "start": 400})


def test_a_film_is_shown_where_its_scene_changes(folder: Path) -> None:
    seer = Seer()
    said = tools(folder, seer)["look_at_video"].invoke({"path": "film.mp4", "question": "Which colors?"})
    assert said.split("\n") == [
        "[film.mp4, 0:00 to its end at 0:06; pictures at 0:00, 0:02, 0:04]",
        "asked: These are pictures of a video, at 0:00, 0:02, 0:04. Which colors?",
    ]
    colors = [shown.convert("RGB").getpixel((80, 60)) for shown in seer.shown]
    assert [tuple(round(part / 255) for part in color) for color in colors] == [
        (0, 0, 0),
        (1, 1, 1),
        (0, 0, 1),
    ]


def test_a_film_from_later_on_and_what_is_no_film(folder: Path) -> None:
    seer = Seer()
    look = tools(folder, seer)["look_at_video"]
    assert "pictures at 0:03, 0:04" in look.invoke({"path": "film.mp4", "question": "?", "start": 3})
    with pytest.raises(ToolException, match="look_at_video: there are no pictures in it: listen to it"):
        look.invoke({"path": "tone.wav", "question": "?"})
