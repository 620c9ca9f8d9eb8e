"""A case: what was asked, how it was planned and carried out, and how it ended."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from numbers import Real
from typing import Any, Literal, Self, get_args

from memento.memory.errors import UsageError
from memento.memory.form import form_of
from memento.memory.trajectory import Step, is_untrusted, step_from, tool_sequence

Outcome = Literal["success", "failure", "unknown"]
Status = Literal["active", "quarantined", "retired"]

SUCCESS_AT = 0.5
"""A reward from here on counts as a success."""


def outcome_of(reward: float | None) -> Outcome:
    """What a reward in [0, 1], or its absence, says of a run."""
    if reward is None:
        return "unknown"
    return "success" if reward >= SUCCESS_AT else "failure"


def content_id(*parts: Any) -> str:
    """An id that follows from content: the same parts always give the same one."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:24]


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def doubt_of(outcome: Outcome, *, probation: bool) -> float:
    """How far a case is from being worth showing: 1 where it failed itself, a little where that is not known
    or where it is new.
    """
    return 1.0 if outcome == "failure" else 1 / 6 if probation or outcome == "unknown" else 0.0


def checked_reward(reward: float | None) -> float | None:
    """The reward as a float.

    Raises:
        UsageError: it is not a number in [0, 1].
    """
    if reward is None:
        return None
    if isinstance(reward, bool) or not isinstance(reward, Real) or not 0 <= reward <= 1:
        raise UsageError(f"a reward is a number from 0 to 1, not {reward!r}")
    return float(reward)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One past run, or one demonstration, as the case bank keeps it.

    An empty `id` follows from the run and what it answered, or else from the content; the bank fills in
    its own namespace where none is given. `parents` are the ids of the cases shown when it was made.
    `untrusted`: it was made from content that anybody may have written, or from a case that was.
    """

    task: str
    plan: list[str] = field(default_factory=list)
    trajectory: list[Step] = field(default_factory=list)
    answer: str = ""
    reward: float | None = None
    outcome: Outcome = "unknown"
    parents: list[str] = field(default_factory=list)
    untrusted: bool = False
    source_run: str | None = None
    status: Status = "active"
    pinned: bool = False
    note: str = ""
    namespace: str = ""
    created_at: str = field(default_factory=utc_now)
    id: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.task, str) or not self.task.strip():
            raise UsageError("a case needs a task: a text that is not empty")
        if self.outcome not in get_args(Outcome) or self.status not in get_args(Status):
            raise UsageError(f"a case cannot have outcome {self.outcome!r} and status {self.status!r}")
        checked_reward(self.reward)
        if not self.id:
            origin = self.source_run or "demonstration"
            content = (self.plan, self.trajectory, self.answer)
            object.__setattr__(self, "id", content_id(origin, self.task, *content))

    @classmethod
    def from_demonstration(
        cls,
        *,
        task: str,
        plan: Sequence[str] = (),
        trajectory: Sequence[Any] = (),
        answer: str = "",
        note: str = "",
    ) -> Self:
        """A worked example by a person, marked as a success.

        `trajectory` rows are `{"subtask", "tool_calls": [{"name", "args", "result", "error"}], "result"}`;
        what a row leaves out is empty. Without a plan, the subtasks of the trajectory are the plan.
        """
        steps = [step_from(row) for row in trajectory]
        return cls(
            task=task,
            plan=list(plan) or [step["subtask"] for step in steps],
            trajectory=steps,
            answer=str(answer),
            reward=1.0,
            outcome="success",
            untrusted=is_untrusted(steps),
            note=note,
        )

    @classmethod
    def from_run(
        cls,
        run_id: str,
        *,
        namespace: str,
        task: str,
        plan: Sequence[str],
        trajectory: Sequence[Step],
        answer: str,
        reward: float | None,
        parents: Sequence[str],
        untrusted: bool = False,
    ) -> Self:
        """A run as a case. Its plan is what was carried out, over all plans that the run made. It is
        untrusted where its parents are, or what its tools returned.
        """
        return cls(
            task=task,
            plan=[step["subtask"] for step in trajectory] or list(plan),
            trajectory=list(trajectory),
            answer=answer,
            reward=reward,
            outcome=outcome_of(reward),
            parents=list(parents),
            untrusted=untrusted or is_untrusted(trajectory),
            source_run=run_id,
            namespace=namespace,
        )

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Self:
        """The case that `to_dict` wrote.

        Raises:
            UsageError: a field is missing or of the wrong kind.
        """
        known = {f.name for f in fields(cls)}
        if not isinstance(row, dict) or not isinstance(row.get("task"), str):
            raise UsageError("a case is an object with a task")
        values = {key: value for key, value in row.items() if key in known}
        for key in ("answer", "note", "namespace", "created_at", "id", "source_run"):
            if (
                key in values
                and not isinstance(values[key], str)
                and (key, values[key]) != ("source_run", None)
            ):
                raise UsageError(f"a case's {key} is a text")
        for key in ("pinned", "untrusted"):
            if not isinstance(values.get(key, False), bool):
                raise UsageError(f"a case's {key} is true or false")
        for key in ("plan", "parents"):
            if key in values and not _is_list_of_text(values[key]):
                raise UsageError(f"a case's {key} is a list of texts")
        if "trajectory" in values:
            if not isinstance(values["trajectory"], list):
                raise UsageError("a case's trajectory is a list of steps")
            values["trajectory"] = [step_from(step) for step in values["trajectory"]]
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def tools(self) -> list[str]:
        """The tools that it called without an error, in order."""
        return tool_sequence(self.trajectory)

    @property
    def form(self) -> str:
        """How it called them: memory/form.py."""
        return form_of(self.task, self.trajectory)


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
