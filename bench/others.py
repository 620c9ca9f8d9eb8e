"""Two other ways to retrieve, as their code does it."""

import time

import numpy as np

from memento.demo.families import draw_tasks
from memento.memory.embeddings import MiniLM

Vectors = np.ndarray


def released_seconds(pool: int) -> float:
    """Memento's released retriever: the whole pool is encoded anew for each query, here by MiniLM."""
    encoder = MiniLM()
    encoder.embed(["load the weights"])
    texts = _texts(pool)
    began = time.perf_counter()
    rows, query = encoder.embed(texts), encoder.embed(["What is 17% of 2340?"])[0]
    np.argsort(-(rows @ query))[:4]
    return time.perf_counter() - began


def memrl_seconds(rows: Vectors, queries: int = 3) -> float:
    """MemRL's: one cosine after another, in Python. The mean of a few queries."""
    began = time.perf_counter()
    for query in rows[:queries]:
        scores = []
        for row in rows:
            scores.append(float(np.dot(query, row) / (np.linalg.norm(query) * np.linalg.norm(row))))  # noqa: PERF401
        sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:64]
    return (time.perf_counter() - began) / queries


def _texts(count: int) -> list[str]:
    drawn = [task.task for seed in range(-(-count // 100)) for task in draw_tasks(100, seed)]
    return drawn[:count]
