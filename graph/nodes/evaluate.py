"""Judge how the run ended."""

import asyncio
from dataclasses import asdict

from memento.graph.evaluation import Evaluation, RunView, unknown
from memento.graph.parts import Run
from memento.graph.state import State, Update, add_usage

_SECONDS = 120.0
_AT_LEAST = 1.0


async def evaluate(state: State, run: Run) -> Update:
    """Reward the answer. A run without one failed; one that a service cut short, or whose evaluator
    fails, is unknown.
    """
    if state["status"] == "failed":
        evaluation = unknown("the run was cut short", "run")
    elif state["status"] == "not solved":
        evaluation = Evaluation(0.0, state["answer"], "run")
    else:
        evaluation = await _judged(state, run)
    kept = asdict(evaluation)
    kept.pop("usage")
    return {
        "reward": evaluation.reward,
        "evaluation": kept,
        "usage": add_usage(state["usage"], evaluation.usage),
    }


async def _judged(state: State, run: Run) -> Evaluation:
    view = RunView(
        task=state["question"],
        reference=state["expected"],
        answer=state["answer"],
        plan=state["plan"],
        trajectory=state["trajectory"],
    )
    left = max(run.seconds_left(state["spent"]), _AT_LEAST)
    try:
        async with asyncio.timeout(min(left, _SECONDS)):
            return await run.parts.evaluate(view, run.context)
    except Exception as error:  # noqa: BLE001 - whatever a user's evaluator raises means unknown
        return unknown(f"the evaluator failed ({type(error).__name__})")
