"""A model's service that fails is no fault of the run's: nothing is learned from it, and nothing leaks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import BaseChatModel

from memento import Settings, build_graph
from tests.agent import Script, add, agent, asked, call, final, judged, plan
from tests.openai_stub import OpenAIStub, Reply, chat_model

if TYPE_CHECKING:
    from langchain_core.outputs import ChatResult

    from memento.memory import CaseBank

KEY = "sk-live-0123456789abcdefghijklmn"
TASK = {"task": "What is 2 plus 3?", "reference": "5"}
HTML = b"<html><body>Bad gateway</body></html>"
JSON_BODY = {"content-type": "application/json"}

OUTAGES: dict[str, Reply] = {
    "500": Reply(f"the key {KEY} broke the server", status=500),
    "503": Reply(status=503),
    "429": Reply(f"rate limit of {KEY}", status=429),
    "401": Reply(f"Incorrect API key provided: {KEY}", status=401),
    "403": Reply(status=403),
    "404": Reply("no such model", status=404),
    "dropped connection": Reply(drop=True),
    "HTML with status 200": Reply(raw=HTML),
    "HTML called JSON": Reply(raw=HTML, headers=JSON_BODY),
    "half a JSON body": Reply(raw=b'{"choices": [{"mess', headers=JSON_BODY),
    "a JSON body of another protocol": Reply(raw=b'{"hello": "world"}', headers=JSON_BODY),
    "a JSON body without choices": Reply(raw=b'{"choices": []}', headers=JSON_BODY),
    "an empty body": Reply(raw=b"", headers=JSON_BODY),
}


def assert_unknown(out: dict[str, Any], bank: CaseBank) -> None:
    """The run failed, says so, teaches nothing, and tells nobody the key."""
    assert out["status"] == "failed"
    assert out["answer"].startswith("not solved: ")
    assert out["reward"] is None
    assert bank.all() == []
    [row] = bank.ledger.runs(bank.namespace)
    assert (row["status"], row["reward"], row["case_id"]) == ("failed", None, None)
    assert bank.ledger.outcomes_since(bank.namespace, 0)[0].reward is None
    assert KEY not in out["answer"]
    assert KEY not in json.dumps(row, default=str)


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_of_the_planner_is_no_failure_of_the_run(outage: Reply, quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=outage)) as stub:
        out = build_graph(
            settings=Settings(planner=chat_model(stub, api_key=KEY), executor=chat_model(stub)),
            tools=[add],
            bank=quick_bank,
        ).invoke(TASK)
    assert_unknown(out, quick_bank)
    assert len(stub.requests) <= 3


EITHER_WAY = [(name, "native") for name in OUTAGES] + [(name, "json") for name in list(OUTAGES)[::4]]


@pytest.mark.parametrize(("name", "mode"), EITHER_WAY)
def test_an_outage_of_the_executor_is_no_failure_of_the_run(
    name: str, mode: str, quick_bank: CaseBank
) -> None:
    outage = OUTAGES[name]
    with OpenAIStub(Script(planner=plan("Add 2 and 3"), executor=outage)) as stub:
        out = agent(stub, quick_bank, tool_calls=mode).invoke(TASK)
    assert_unknown(out, quick_bank)
    assert len(stub.requests) <= 4


def test_what_was_called_before_an_outage_is_counted(quick_bank: CaseBank) -> None:
    executor = [call("add", a=2, b=3), Reply(status=500)]
    with OpenAIStub(Script(planner=plan("Add 2 and 3"), executor=executor)) as stub:
        out = agent(stub, quick_bank).invoke(TASK)
    assert_unknown(out, quick_bank)
    assert out["usage"] == {"model_calls": 3, "input_tokens": 20, "output_tokens": 10}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_of_the_judge_leaves_the_reward_unknown(outage: Reply, quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("5"), judge=outage)) as stub:
        out = agent(stub, quick_bank).invoke({"task": TASK["task"]})
    assert (out["answer"], out["status"], out["reward"]) == ("5", "answered", None)
    [row] = bank_rows = quick_bank.ledger.runs(quick_bank.namespace)
    assert row["reward"] is None
    assert KEY not in json.dumps(bank_rows, default=str)
    assert [case.outcome for case in quick_bank.all()] == ["unknown"]


def test_a_run_after_an_outage_works(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=[Reply(status=500), final("5")])) as stub:
        graph = agent(stub, quick_bank)
        assert graph.invoke(TASK)["status"] == "failed"
        assert graph.invoke(TASK)["answer"] == "5"
    assert [case.outcome for case in quick_bank.all()] == ["success"]


def test_the_clients_own_retries_carry_a_run_over_a_short_outage(
    quick_bank: CaseBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = Reply(status=503, headers={"retry-after-ms": "1"})
    with OpenAIStub([brief, final("5")]) as stub:
        monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        out = build_graph(settings=Settings(), tools=[add], bank=quick_bank).invoke(TASK)
    assert (out["answer"], out["reward"]) == ("5", 1)


def test_a_late_judge_of_a_failed_service_is_asked_nothing(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=Reply(status=500), judge=judged(1))) as stub:
        agent(stub, quick_bank).invoke({"task": TASK["task"]})
    assert asked(stub, "judge") == []


class Broken(BaseChatModel):
    """A model whose client raises something of its own."""

    error: Any

    @property
    def _llm_type(self) -> str:
        return "broken"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise self.error


class VendorError(Exception):
    """An error that no library knows."""


@pytest.mark.parametrize(
    "error",
    [
        VendorError(f"refused: {KEY}"),
        OSError(f"cannot reach https://user:{KEY}@host"),
        TimeoutError(f"{KEY} timed out"),
        AttributeError(f"no attribute {KEY}"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_any_kind_of_client_is_an_outage(error: Exception, quick_bank: CaseBank) -> None:
    model = Broken(error=error)
    out = build_graph(settings=Settings(planner=model, executor=model), tools=[add], bank=quick_bank).invoke(
        TASK
    )
    assert_unknown(out, quick_bank)
