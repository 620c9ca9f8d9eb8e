"""Real pictures, sounds and films, made with Pillow, the wave module and ffmpeg."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import wave
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

WORDS = "The heron nests in March"

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


def make_sign(path: Path, words: str = WORDS) -> None:
    """A picture with words on it."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (900, 160), "white")
    ImageDraw.Draw(picture).text((20, 50), words, fill="black", font=ImageFont.load_default(48))
    picture.save(path)


def make_tone(path: Path, seconds: int = 2) -> None:
    """A tone, as sound without compression."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8_000)
        values = (int(9_000 * math.sin(2 * math.pi * 440 * n / 8_000)) for n in range(8_000))
        sound.writeframes(b"".join(struct.pack("<h", value) for value in values) * seconds)


def make_film(path: Path) -> None:
    """Three scenes of two seconds each, black, white and blue, with a tone."""
    scenes = [
        ("-f", "lavfi", "-i", f"color=c={color}:s=160x120:d=2:r=5") for color in ("black", "white", "blue")
    ]
    tone = ("-f", "lavfi", "-i", "sine=frequency=440:duration=6")
    joined = ("-filter_complex", "[0][1][2]concat=n=3:v=1:a=0[v]", "-map", "[v]", "-map", "3:a")
    parts = [option for scene in scenes for option in scene]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *parts, *tone, *joined, str(path)], check=True)
