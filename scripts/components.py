"""Make memory/minilm_components.npz: the mean and the first 48 whitened principal components of MiniLM's
vectors of public questions. Run:
.venv/bin/python scripts/components.py memento/bench/questions.npy --out memory/minilm_components.npz
"""

import argparse
from pathlib import Path

import numpy as np

from memento.memory.components import COMPONENTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = np.load(options.vectors).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mean = rows.mean(axis=0)
    _, scales, axes = np.linalg.svd(rows - mean, full_matrices=False)
    kept = (axes[:COMPONENTS].T / scales[:COMPONENTS] * np.sqrt(len(rows))).astype(np.float32)
    np.savez_compressed(options.out, mean=mean, axes=kept)
    print(f"{COMPONENTS} components of {len(rows)} vectors, {options.out.stat().st_size / 1e3:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
