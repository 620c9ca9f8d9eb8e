"""Make memento/bench/questions.npy: MiniLM's vectors of public questions, float16, vectors only.

Reads JSONL files whose rows have a "question", "case" or "task". Run:
.venv/bin/python scripts/question_vectors.py QUESTIONS.jsonl ... --out memento/bench/questions.npy
"""

import argparse
import json
from pathlib import Path

import numpy as np

from memento.memory.embeddings import MiniLM

_BATCH = 64


def questions(files: list[Path]) -> list[str]:
    """Every question once, in the files' order."""
    found: dict[str, None] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            text = row.get("question") or row.get("case") or row.get("task")
            if text and text.strip():
                found[text.strip()] = None
    return list(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    texts, encoder = questions(options.files), MiniLM()
    rows = [encoder.embed(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
    vectors = np.concatenate(rows).astype(np.float16)
    np.save(options.out, vectors)
    print(f"{len(vectors)} vectors, {vectors.nbytes / 1e6:.1f} MB")  # noqa: T201


if __name__ == "__main__":
    main()
