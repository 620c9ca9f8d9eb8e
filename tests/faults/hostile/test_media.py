"""Pictures and recordings that are made to fill the memory, or are instructions to open something else."""

from __future__ import annotations

import shutil
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from langchain_core.tools import BaseTool, ToolException

from memento.tools import ToolConfig, builtin_tools
from memento.tools.web import Web
from tests.loopback import Answer, Site
from tests.recordings import make_sign, make_tone, needs_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def tools(folder: Path) -> dict[str, BaseTool]:
    async def see(question: str, pictures: Sequence[bytes]) -> str:
        return f"saw {len(pictures)}"

    async def transcribe(sound: bytes) -> str:
        return f"heard {len(sound)} bytes"

    web = Web(may_reach=lambda _: True, pause=0)
    config = ToolConfig(files=(folder,), web=web, see=see, transcribe=transcribe)
    return {tool.name: tool for tool in builtin_tools(config)}


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PICTURES = {
    "bomb.png": (png(30_000, 30_000, zlib.compress(bytes(10_000_000))), "too many pixels"),
    "wide.png": (png(2**31 - 1, 2**31 - 1, b""), "too many pixels|no picture"),
    "cut.png": (png(100, 100, zlib.compress(bytes(100))), "no picture"),
    "noise.png": (bytes(range(256)), "no picture"),
    "nothing.jpg": (b"", "no picture"),
    "drawing.svg": (
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "no picture",
    ),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n", "no picture"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_hostile_picture_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    body, message = PICTURES[name]
    (tmp_path / name).write_bytes(body)
    with pytest.raises(ToolException, match=f"look_at_image: .*({message})") as refused:
        tools(tmp_path)["look_at_image"].invoke({"path": name, "question": "?"})
    assert "\n" not in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_a_picture_from_within_is_not_fetched(tmp_path: Path) -> None:
    make_sign(tmp_path / "sign.png")
    with Site({"/x": Answer((tmp_path / "sign.png").read_bytes(), kind="image/png")}) as site:
        strict = builtin_tools(ToolConfig(files=(tmp_path,), see=_blind))
        look = next(tool for tool in strict if tool.name == "look_at_image")
        with pytest.raises(ToolException, match="not on the public Internet"):
            look.invoke({"url": f"{site.url}/x", "question": "?"})
        assert site.asked == []


async def _blind(question: str, pictures: Sequence[bytes]) -> str:
    return "nothing"


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9.0,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {target}\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
    "dash": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{target}</BaseURL></MPD>',
}


@needs_ffmpeg
@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("where", ["outside", "web"])
def test_a_recording_that_is_a_list_of_others_is_none(tmp_path: Path, kind: str, where: str) -> None:
    """A playlist would have ffmpeg read another file of this machine, or call an address."""
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    make_tone(tmp_path / "secret.wav")
    with Site({"/secret.wav": Answer((tmp_path / "secret.wav").read_bytes(), kind="audio/wav")}) as site:
        target = tmp_path / "secret.wav" if where == "outside" else f"{site.url}/secret.wav"
        text = PLAYLISTS[kind].format(target=target, port=site.server_port)
        for ending in ("mp4", "m3u8"):
            (allowed / f"x.{ending}").write_text(text)
            with pytest.raises(ToolException, match="transcribe: it is no recording"):
                tools(allowed)["transcribe"].invoke({"path": f"x.{ending}"})
        assert site.asked == []


@needs_ffmpeg
@pytest.mark.parametrize(
    "body", [b"", bytes(range(256)) * 50, b"RIFF\xff\xff\xff\xffWAVEfmt ", b"\0\0\0\x18ftypmp42" * 9]
)
def test_a_broken_recording_is_refused_in_one_sentence(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(body)
    for name, args in (("transcribe", {}), ("look_at_video", {"question": "?"})):
        with pytest.raises(ToolException, match=f"^{name}: ") as refused:
            tools(tmp_path)[name].invoke({"path": "x.mp4", **args})
        assert "\n" not in str(refused.value)
        assert str(tmp_path) not in str(refused.value)


@needs_ffmpeg
def test_names_are_names_and_no_options(tmp_path: Path) -> None:
    make_tone(tmp_path / "tone.wav")
    for name in ("-i", "-version", "concat:tone.wav|tone.wav", "pipe:0", "%d.wav", "a;touch x.wav"):
        shutil.copy(tmp_path / "tone.wav", tmp_path / name)
        assert "heard" in tools(tmp_path)["transcribe"].invoke({"path": name})
    assert not (tmp_path / "x.wav").exists()


@pytest.mark.parametrize("path", ["../secret.wav", "/etc/passwd", "/dev/zero", "link.wav"])
def test_no_path_leads_out_of_the_folders(tmp_path: Path, path: str) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    make_tone(tmp_path / "secret.wav")
    (allowed / "link.wav").symlink_to(tmp_path / "secret.wav")
    for name, args in (("transcribe", {}), ("look_at_image", {"question": "?"}), ("read_image_text", {})):
        tool = tools(allowed).get(name)
        if tool is not None:
            with pytest.raises(ToolException, match="there is no file"):
                tool.invoke({"path": path, **args})
