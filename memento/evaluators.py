"""Evaluators: functions from a run to a reward in [0, 1], an Evaluation, or None for unknown."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage

from memento.graph import prompts
from memento.graph.context import Context
from memento.graph.evaluation import Evaluation, Evaluator, RunView, checked, unknown
from memento.graph.parts import Model
from memento.graph.state import usage_of
from memento.graph.structured import ServiceError, ask

_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+]?\.\d+")
_MINUS = "\N{MINUS SIGN}"
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SCORE_SCHEMA = {
    "title": "judgement",
    "description": "How right the answer is.",
    "type": "object",
    "properties": {"rationale": {"type": "string"}, "score": {"type": "number"}},
    "required": ["rationale", "score"],
    "additionalProperties": False,
}
NO_REFERENCE_WEIGHT = 0.5
"""A judge that has only its own opinion counts half."""


def exact(run: RunView) -> Evaluation:
    """1 when the answer is the reference, or one of its alternatives, to the letter."""
    return _against_reference(run, lambda answer, reference: answer.strip() == reference.strip(), "exact")


def normalized(run: RunView) -> Evaluation:
    """1 when answer and reference agree up to case, articles, punctuation and number formats."""
    return _against_reference(run, lambda a, r: normalize(a) == normalize(r), "normalized")


def numeric(tolerance: float = 1e-4) -> Callable[[RunView], Evaluation]:
    """1 when answer and reference hold one number each and they agree within a relative `tolerance`."""
    return lambda run: _against_reference(run, lambda a, r: same_number(a, r, tolerance), "numeric")


def matching(run: RunView) -> Evaluation:
    """1 when answer and reference agree as numbers (to 1 in 10,000) or as normalized texts."""

    def agree(answer: str, reference: str) -> bool:
        return normalize(answer) == normalize(reference) or same_number(answer, reference, 1e-4)

    return _against_reference(run, agree, "reference")


def token_f1(answer: str, references: Sequence[str]) -> float:
    """F1 of the words that the answer shares with the reference that it is nearest to, both normalized, as in
    SQuAD (arXiv 1606.05250, section 6.1). A measure to report, not a reward: 0 without references.
    """
    return max((_words_f1(normalize(answer).split(), normalize(r).split()) for r in references), default=0.0)


def _words_f1(answer: list[str], reference: list[str]) -> float:
    if not answer or not reference:
        return float(answer == reference)
    shared = (Counter(answer) & Counter(reference)).total()
    return 2 * shared / (len(answer) + len(reference))


def judge(model: Model) -> Callable[[RunView], Awaitable[Evaluation]]:
    """A language model's judgement, against the reference where there is one. A failing judge is unknown."""

    async def evaluate(run: RunView) -> Evaluation:
        text = prompts.JUDGE_CASE.format(task=run.task, answer=run.answer)
        if run.reference is not None:
            text += prompts.JUDGE_REFERENCE.format(reference=run.reference)
        try:
            reply = await ask(model, [SystemMessage(prompts.JUDGE), HumanMessage(text)], _SCORE_SCHEMA)
        except ServiceError as error:
            return unknown(f"the judge failed ({error})", "judge", usage_of(None))
        score = (reply.value or {}).get("score")
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            return unknown(
                f"the judge failed: {reply.problem or f'its score was {score!r}'}", "judge", reply.usage
            )
        weight = NO_REFERENCE_WEIGHT if run.reference is None else 1.0
        rationale = (reply.value or {}).get("rationale", "")
        return checked(Evaluation(float(score), rationale, "judge", weight, reply.usage))

    return evaluate


def default_evaluator(
    evaluator: Evaluator | None, model: Callable[[str], Model]
) -> Callable[[RunView, Context], Awaitable[Evaluation]]:
    """The user's evaluator; or else against the reference where one is given, by the judge where one is set
    or the planner is not the local model, and otherwise unknown until feedback comes.
    """
    import asyncio

    from memento.graph.background import maybe_await

    async def evaluate(run: RunView, context: Context) -> Evaluation:
        if evaluator is not None:
            given = await asyncio.to_thread(evaluator, run)
            return checked(await maybe_await(given))
        if run.reference is not None:
            return matching(run)
        name = context.judge or (context.planner if context.planner != "local" else None)
        if name is None:
            return unknown("no reference and no judge: give feedback")
        return checked(await judge(model(name))(run))

    return evaluate


def normalize(text: str) -> str:
    """Lower case, without accents' variants, articles, punctuation and surplus spaces; 1,234.50 is 1234.5."""
    text = unicodedata.normalize("NFKC", text).replace(_MINUS, "-").casefold().strip()
    text = _NUMBER.sub(_plain_number, text)
    kept = "".join(" " if _is_punctuation(char) and char not in ".-" else char for char in text)
    words = _ARTICLES.sub(" ", kept).split()
    return " ".join(word.strip(".") or word for word in words)


def same_number(answer: str, reference: str, tolerance: float) -> bool:
    """Whether both hold exactly one number, and these agree within a relative tolerance."""
    answer, reference = answer.replace(_MINUS, "-"), reference.replace(_MINUS, "-")
    found, wanted = _numbers(answer), _numbers(reference)
    if len(found) != 1 or len(wanted) != 1 or normalize(_NUMBER.sub("", reference)):
        return False
    return abs(found[0] - wanted[0]) <= Decimal(str(tolerance)) * max(abs(wanted[0]), Decimal("1e-9"))


def _numbers(text: str) -> list[Decimal]:
    numbers = []
    for match in _NUMBER.findall(text):
        try:
            numbers.append(Decimal(match.replace(",", "")))
        except InvalidOperation:
            continue
    return numbers


def _plain_number(match: re.Match[str]) -> str:
    try:
        value = Decimal(match.group().replace(",", ""))
    except InvalidOperation:
        return match.group()
    if value == 0:
        return "0"
    if abs(value.adjusted()) > 30:  # noqa: PLR2004
        return match.group()
    return format(value.normalize(), "f")


def _is_punctuation(char: str) -> bool:
    return char in string.punctuation or unicodedata.category(char).startswith("P")


def _against_reference(run: RunView, agree: Callable[[str, str], bool], name: str) -> Evaluation:
    alternatives = _alternatives(run.reference)
    if not alternatives:
        return unknown("there is no reference", name)
    right = any(agree(run.answer, alternative) for alternative in alternatives)
    return Evaluation(float(right), "as the reference" if right else "not as the reference", name)


def _alternatives(reference: Any) -> list[str]:
    if reference is None:
        return []
    if isinstance(reference, list | tuple | set):
        return [str(item) for item in reference]
    return [str(reference)]
