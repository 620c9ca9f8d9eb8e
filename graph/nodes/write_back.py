"""Write the run, what was shown in it, its reward and its case to memory, and answer."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from langchain_core.messages import AIMessage

from memento.graph.cases import shown_cases, with_use
from memento.graph.parts import Run
from memento.graph.state import State, Update
from memento.memory import Case, Reward, RunRecord, Shown
from memento.memory.credit import SAID, SEEN, followed


async def write_back(state: State, run: Run) -> Update:
    """One ledger transaction, then the bank. Writing the same run twice adds nothing."""
    await run.parts.end_run(state["run_id"])
    retrieved, case_id = await asyncio.to_thread(_write, state, run)
    return {
        "retrieved": retrieved,
        "case_id": case_id,
        "messages": [AIMessage(state["answer"])],
    }


def _write(state: State, run: Run) -> tuple[list[Shown], str | None]:
    bank = run.policy.bank
    cases = shown_cases(state, run)
    retrieved = with_use(state["retrieved"], uses(state, cases))
    vector = bank.embed([state["question"]])[0]
    chosen = {**state["selection"], "candidates": [tuple(row) for row in state["selection"]["candidates"]]}
    record = RunRecord(
        **chosen,
        vector=np.asarray(vector),
        learn=bool(run.context.learn),
        task=state["question"],
        shown=retrieved,
        use_is=SEEN if state["cited"] is None else SAID,
        plan=state["plan"],
        trajectory=state["trajectory"],
        answer=state["answer"],
        status=state["status"],
        models={"planner": run.planner.name, "executor": run.executor.name},
        usage=dict(state["usage"]),  # type: ignore[arg-type]
        started_at=state["started_at"],
        seconds=round(time.time() - datetime.fromisoformat(state["started_at"]).timestamp(), 3),
    )
    case = _case(state, cases, str(run.context.namespace)) if _grows(state, run) else None
    with bank.home.at_work():
        case_id = bank.ledger.commit_run(record, _reward(state), case, vector)
        if case_id is not None:
            bank.sync(run.context.namespace)
    return retrieved, case_id


def uses(state: State, cases: list[Case]) -> dict[str, bool | None]:
    """Whether each shown case was used: as the planner cited, or else whether the run did what the case did;
    None where neither says.
    """
    cited = state["cited"]
    if cited is not None:
        return {case.id: case.id in cited for case in cases}
    return followed(cases, state["question"], state["trajectory"])


def _grows(state: State, run: Run) -> bool:
    return bool(run.context.learn and run.context.grow) and state["status"] != "failed"


def _reward(state: State) -> Reward | None:
    evaluation = state["evaluation"]
    if state["reward"] is None:
        return None
    return Reward(
        reward=state["reward"],
        source=evaluation["source"],
        weight=evaluation["weight"],
        comment=evaluation["rationale"],
    )


def _case(state: State, shown: Sequence[Case], namespace: str) -> Case:
    return Case.from_run(
        state["run_id"],
        namespace=namespace,
        task=state["question"],
        plan=state["plan"],
        trajectory=state["trajectory"],
        answer=state["answer"],
        reward=state["reward"],
        parents=[str(slot["case_id"]) for slot in state["retrieved"]],
        untrusted=any(case.untrusted for case in shown),
    )
