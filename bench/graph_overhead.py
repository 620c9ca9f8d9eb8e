"""How long a run takes beside its model and its encoder: the graph, the choice of cases, the stores.

    PYTHONPATH=. python bench/graph_overhead.py --cases 1000 --runs 50

The model answers at once, the encoder hashes. One run retrieves, plans one subtask, makes one tool call,
is judged against its reference and writes its case to a real ledger and a real Chroma. Target: 50 ms.
"""

import argparse
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from memento import Settings, build_graph
from memento.graph import Agent
from memento.memory import Case, CaseBank
from memento.memory.embeddings import Vectors

DIMENSIONS = 384
WARM_UP = 10
TARGET = 50.0

PLAN = {"answer": None, "last_result_is_answer": True, "subtasks": ["Look the answer up"]}
CALL = {"call": {"tool": "look_up", "args": {"key": "x"}}}


class HashEncoder:
    """A vector of a text's checksum: nothing to load, and next to no time."""

    name = "hash"

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = [
            np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIMENSIONS) for text in texts
        ]
        stacked = np.asarray(rows, dtype=np.float32)
        return np.asarray(stacked / np.linalg.norm(stacked, axis=1, keepdims=True), dtype=np.float32)


class InstantModel(BaseChatModel):
    """Plans the one subtask, and calls the one tool for it."""

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        reply = CALL if '"tool_call"' in str(messages[-1].text) else PLAN
        return ChatResult(generations=[ChatGeneration(message=AIMessage(json.dumps(reply)))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        return self._generate(messages, stop)


@tool
def look_up(key: str) -> str:
    """Look a value up by its key."""
    return f"value of {key}"


def demonstrations(count: int) -> list[Case]:
    step = {
        "subtask": "Look the answer up",
        "tool_calls": [{"name": "look_up", "args": {"key": "x"}, "result": "value of x", "error": None}],
        "result": "value of x",
    }
    return [
        Case.from_demonstration(
            task=f"What is the value of x in {n}?",
            plan=["Look the answer up"],
            trajectory=[step],
            answer="value of x",
        )
        for n in range(count)
    ]


def one_run(graph: Agent, number: int) -> float:
    started = time.perf_counter()
    out = graph.invoke({"task": f"Look x up, for the {number}th time", "reference": "value of x"})
    seconds = time.perf_counter() - started
    if out["reward"] != 1.0 or out["case_id"] is None:
        sys.exit(f"the run did not do its work: {out['answer']}")
    return seconds * 1000


def measure(cases: int, runs: int, *, profile: bool = False) -> dict[str, float]:
    """Milliseconds a run over a bank of that many cases."""
    with tempfile.TemporaryDirectory() as home, CaseBank(home, HashEncoder()) as bank:
        bank.add_many(demonstrations(cases))
        model = InstantModel()
        settings = Settings(planner=model, executor=model, policy="auto")
        graph = build_graph(settings=settings, tools=[look_up], bank=bank)
        for number in range(WARM_UP):
            one_run(graph, number)
        if profile:
            profile_runs(graph, runs)
        before = time.process_time()
        times = [one_run(graph, WARM_UP + runs + number) for number in range(runs)]
        cpu = (time.process_time() - before) / runs * 1000
    p50, p95 = np.percentile(times, [50, 95])
    return {
        "cases": cases,
        "runs": runs,
        "p50_ms": round(p50, 1),
        "p95_ms": round(p95, 1),
        "cpu_ms": round(cpu, 1),
        "target_ms": TARGET,
    }


def profile_runs(graph: Agent, runs: int) -> None:
    """Print how long each node takes."""
    spent: dict[str, list[float]] = {}
    for number in range(runs):
        last = time.perf_counter()
        given = {"task": f"Look x up, for the {WARM_UP + number}th time", "reference": "value of x"}
        for update in graph.stream(given, stream_mode="updates"):
            now = time.perf_counter()
            spent.setdefault(next(iter(update)), []).append((now - last) * 1000)
            last = now
    for name, times in spent.items():
        print(f"{name:16} {np.median(times):6.1f} ms", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--profile", action="store_true", help="print where the time goes on stderr")
    args = parser.parse_args()
    result = measure(args.cases, args.runs, profile=args.profile)
    if args.json:
        print(json.dumps(result))
        return
    verdict = "within" if result["p50_ms"] <= TARGET else "above"
    print(
        f"{result['p50_ms']} ms a run (p50), {result['p95_ms']} ms (p95), "
        f"{result['cpu_ms']} ms of CPU, over {args.cases} cases: "
        f"{verdict} the target of {TARGET:g} ms"
    )


if __name__ == "__main__":
    main()
