"""Takes the sound or some pictures out of a recording with ffmpeg, in a process of its own.

Reads {"ffmpeg", "path", "want": "sound" | "frames", "start", "seconds", "most"} from stdin and writes to
stdout {"length", "sound": base64 of FLAC}, {"length", "frames": [[second, base64 of JPEG]]}, or {"error"}: a
sentence without a name. ffmpeg inherits this process's limits. It imports nothing of the package, so that it
starts quickly.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# Of these only, since some others (playlists, for one) are instructions to open other files and addresses.
FORMATS = "mov,mp4,m4a,3gp,matroska,webm,avi,mpegts,mpeg,flv,asf,wav,mp3,flac,ogg,aac,aiff,amr,gif,w64,caf"
NO_RECORDING = "it is no recording that can be read: give an ordinary audio or video file"
_LENGTH = re.compile(r"Duration: (\d+):(\d+):(\d+)(?:\.(\d+))?")
_SHOWN = re.compile(r"pts_time:\s*([0-9.]+)")


class Refused(Exception):  # noqa: N818
    """Why there is nothing, as a sentence."""


def run(job: dict[str, Any], *options: str) -> tuple[bytes, str]:
    """What ffmpeg writes, and what it says."""
    done = subprocess.run(  # noqa: S603  (the program that the caller found, with options from here)
        [
            *(job["ffmpeg"], "-nostdin", "-hide_banner", "-threads", "1", "-filter_threads", "1"),
            *("-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS),
            *("-ss", str(float(job["start"])), "-i", f"file:{job['path']}"),
            *options,
        ],
        capture_output=True,
        env={},
        check=False,
    )
    said = done.stderr.decode("utf-8", "replace")
    if "Input #0" not in said:
        raise Refused(NO_RECORDING)
    return done.stdout, said


def sound(job: dict[str, Any]) -> dict[str, Any]:
    wanted = ("-t", str(float(job["seconds"])), "-vn", "-ac", "1", "-ar", "16000", "-f", "flac", "pipe:1")
    written, said = run(job, *wanted)
    if "Audio:" not in said:
        raise Refused("there is no sound in it: look at its pictures")
    return {"length": length(said), "sound": base64.b64encode(written).decode()}


def frames(job: dict[str, Any]) -> dict[str, Any]:
    """The first picture, those at which the scene changes, and one now and then where it does not."""
    pause = max(2.0, float(job["seconds"]))
    chosen = f"select='isnan(prev_selected_t)+gt(scene,0.2)+gte(t-prev_selected_t,{pause})'"
    filters = f"{chosen},scale='min(1024,iw)':-2,showinfo"
    with tempfile.TemporaryDirectory() as folder:
        pictures = (
            "-an",
            "-vf",
            filters,
            "-fps_mode",
            "vfr",
            "-frames:v",
            str(int(job["most"])),
            "-q:v",
            "4",
        )
        _, said = run(job, *pictures, f"{folder}/%03d.jpg")
        if "Video:" not in said:
            raise Refused("there are no pictures in it: listen to it")
        files = [base64.b64encode(file.read_bytes()).decode() for file in sorted(Path(folder).glob("*.jpg"))]
    seconds = [float(job["start"]) + float(found) for found in _SHOWN.findall(said)]
    return {"length": length(said), "frames": list(zip(seconds, files, strict=False))}


def length(said: str) -> float:
    """In seconds; 0 where the file does not say."""
    found = _LENGTH.search(said)
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) if found else 0.0


def main() -> None:
    job = json.loads(sys.stdin.read())
    try:
        reply = sound(job) if job["want"] == "sound" else frames(job)
    except Refused as refused:
        reply = {"error": str(refused)}
    except MemoryError:
        reply = {"error": "it needs too much memory: use a shorter recording"}
    sys.stdout.write(json.dumps(reply))


if __name__ == "__main__":
    main()
