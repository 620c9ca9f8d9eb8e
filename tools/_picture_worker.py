"""Makes a picture that a stranger made harmless, or reads the text on it, in a process of its own.

Reads {"path", "side"} from stdin and writes {"picture": base64 of a JPEG, "width", "height"} to stdout; with
"tesseract" (the program) and "language" in the job {"text"}; or {"error"}: a sentence without a name. It
imports nothing of the package, so that it starts quickly.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import warnings
from typing import Any

MAX_PIXELS = 60_000_000
_KINDS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
NO_PICTURE = "it is no picture that can be read: give a PNG, JPEG, GIF, WebP, BMP or TIFF"
TOO_LARGE = "the picture has too many pixels: use a smaller copy"


class Refused(Exception):  # noqa: N818
    """Why there is no picture, as a sentence."""


def opened(path: str, side: int) -> Any:
    """The picture in RGB, its longer side at most `side`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with Image.open(path, formats=_KINDS) as picture:
            picture.draft("RGB", (side, side))
            upright = ImageOps.exif_transpose(picture)
            upright.thumbnail((side, side))
            flat = Image.new("RGB", upright.size, "white")  # what is transparent is shown on white
            shown = upright.convert("RGBA")
            flat.paste(shown, mask=shown.getchannel("A"))
            return flat
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(TOO_LARGE) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError):
        raise Refused(NO_PICTURE) from None


def as_jpeg(picture: Any) -> dict[str, Any]:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=88)
    encoded = base64.b64encode(stream.getvalue()).decode()
    return {"picture": encoded, "width": picture.width, "height": picture.height}


def text_on(picture: Any, program: str, language: str) -> dict[str, Any]:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    done = subprocess.run(  # noqa: S603  (the program that the caller found; the picture is its stdin)
        [program, "stdin", "stdout", "-l", language],
        input=stream.getvalue(),
        capture_output=True,
        env={"OMP_THREAD_LIMIT": "1"},
        check=False,
    )
    if done.returncode and b"Failed loading language" in done.stderr:
        raise Refused(f"there is no language {language!r} here: use eng")
    if done.returncode:
        raise Refused(NO_PICTURE)
    return {"text": done.stdout.decode("utf-8", "replace")}


def main() -> None:
    job = json.loads(sys.stdin.read())
    try:
        picture = opened(job["path"], job["side"])
        program = job.get("tesseract")
        reply = text_on(picture, program, job["language"]) if program else as_jpeg(picture)
    except Refused as refused:
        reply = {"error": str(refused)}
    except MemoryError:
        reply = {"error": TOO_LARGE}
    sys.stdout.write(json.dumps(reply))


if __name__ == "__main__":
    main()
