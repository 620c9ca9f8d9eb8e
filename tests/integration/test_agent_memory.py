"""What one run leaves, the next one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from memento import Context
from memento.memory import Case, CaseBank
from tests.agent import Script, agent, asked, call, final, json_call, plan
from tests.openai_stub import OpenAIStub

if TYPE_CHECKING:
    from pathlib import Path

TASK: Any = {"task": "What is 2 plus 3?", "reference": "5"}
LIKE: Any = {"task": "What is 7 plus 3?", "reference": "10"}


def conversation(messages: list[Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages]


def adding(*more: Any) -> Script:
    """Adds 2 and 3 with the tool, and then says what else is given."""
    return Script(
        planner=[plan("Add 2 and 3", last_is_answer=True), *more],
        executor=[call("add", a=2, b=3), "5"],
    )


def test_a_task_that_was_solved_is_shown_as_turns_of_the_conversation(quick_bank: CaseBank) -> None:
    with OpenAIStub(adding(final("10"))) as stub:
        graph = agent(stub, quick_bank)
        first = graph.invoke(TASK)
        second = graph.invoke(LIKE)
    assert [shown.case_id for shown in second["retrieved"]] == [first["case_id"]]
    request = asked(stub, "planner")[1]
    system, *turns = conversation(request.messages)
    assert system[0] == "system"
    assert "What is 2 plus 3?" not in system[1]
    assert turns == [
        ("user", "[1] Task: What is 2 plus 3?"),
        ("assistant", '{"answer": null, "last_result_is_answer": true, "subtasks": ["Add 2 and 3"]}'),
        ("user", "Task: What is 7 plus 3?"),
    ]
    assert stub.violations == []


def test_a_shown_slot_reads_as_attributes_and_as_keys(quick_bank: CaseBank) -> None:
    with OpenAIStub(adding(final("5"))) as stub:
        graph = agent(stub, quick_bank)
        known = graph.invoke(TASK)["case_id"]
        [shown] = graph.invoke(TASK)["retrieved"]
    assert (shown.case_id, shown.rank, shown.propensity) == (known, 0, 1.0)
    assert shown.similarity == pytest.approx(1, abs=1e-4)
    for name in ("case_id", "rank", "similarity", "q", "q_std", "propensity", "used"):
        assert shown[name] == getattr(shown, name)


def test_a_case_that_replanned_is_shown_with_its_results_and_its_answer(quick_bank: CaseBank) -> None:
    with OpenAIStub(
        Script(
            planner=[plan("Add 2 and 3"), final("five"), final("10")], executor=[call("add", a=2, b=3), "5"]
        )
    ) as stub:
        graph = agent(stub, quick_bank)
        graph.invoke({"task": TASK["task"], "reference": "five"})
        graph.invoke(LIKE)
    assert conversation(asked(stub, "planner")[2].messages)[1:] == [
        ("user", "[1] Task: What is 2 plus 3?"),
        ("assistant", '{"answer": null, "last_result_is_answer": false, "subtasks": ["Add 2 and 3"]}'),
        ("user", "Results:\n1. Add 2 and 3: 5"),
        ("assistant", '{"answer": "five", "last_result_is_answer": false, "subtasks": []}'),
        ("user", "Task: What is 7 plus 3?"),
    ]


def test_the_executor_is_shown_the_tool_calls_that_worked(quick_bank: CaseBank) -> None:
    script = Script(
        planner=[plan("Add 2 and 3", last_is_answer=True), plan("Add 7 and 3", last_is_answer=True)],
        executor=[call("add", a="x", b=3), call("add", a=2, b=3), "5", call("add", a=7, b=3), "10"],
    )
    with OpenAIStub(script) as stub:
        graph = agent(stub, quick_bank)
        graph.invoke(TASK)
        assert graph.invoke(LIKE)["answer"] == "10"
    request = asked(stub, "executor")[3]
    roles = [message["role"] for message in request.messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]
    [made] = request.messages[2]["tool_calls"]
    assert made["function"] == {"name": "add", "arguments": '{"a": 2, "b": 3}'}
    assert [message["content"] for message in request.messages[3:]] == ["5", "5", "Subtask: Add 7 and 3"]
    assert stub.violations == []


def test_an_executor_in_json_is_shown_the_calls_as_it_writes_them(quick_bank: CaseBank) -> None:
    script = Script(
        planner=[plan("Add 2 and 3", last_is_answer=True), plan("Add 7 and 3", last_is_answer=True)],
        executor=[json_call("add", a=2, b=3), json_call("add", a=7, b=3)],
    )
    with OpenAIStub(script) as stub:
        graph = agent(stub, quick_bank, tool_calls="json")
        graph.invoke(TASK)
        assert graph.invoke(LIKE)["answer"] == "10"
    assert conversation(asked(stub, "executor")[1].messages)[1:] == [
        ("user", "Subtask: Add 2 and 3"),
        ("assistant", '{"call": {"tool": "add", "args": {"a": 2, "b": 3}}}'),
        ("user", "Subtask: Add 7 and 3"),
    ]


def test_the_best_case_stands_next_to_the_task(quick_bank: CaseBank) -> None:
    for task in ("What is 2 plus 4?", "Name a river in France", "What is 7 plus 3 plus 1?"):
        quick_bank.add(Case.from_demonstration(task=task, answer="?"))
    with OpenAIStub(Script(planner=final("10"))) as stub:
        out = agent(stub, quick_bank).invoke(LIKE)
    turns = [text for role, text in conversation(stub.requests[0].messages) if role == "user"]
    assert [text.split("]")[0] for text in turns[:-1]] == ["[3", "[2", "[1"]
    best = quick_bank.get(out["retrieved"][0].case_id)
    assert best is not None
    assert turns[-2] == f"[1] Task: {best.task}"


@pytest.mark.parametrize(
    ("cited", "used"),
    [([1], [True, False]), ([2], [False, True]), ([1, 2], [True, True]), ([], [False, False])],
    ids=str,
)
def test_what_the_planner_cites_is_what_it_used(
    cited: list[int], used: list[bool], quick_bank: CaseBank
) -> None:
    quick_bank.add(Case.from_demonstration(task="What is 7 plus 4?", answer="11"))
    quick_bank.add(Case.from_demonstration(task="What is the capital of Spain?", answer="Madrid"))
    with OpenAIStub(Script(planner=final("10", used=cited))) as stub:
        out = agent(stub, quick_bank).invoke(LIKE)
    assert [shown.used for shown in out["retrieved"]] == used
    stored = quick_bank.ledger.run(out["run_id"])
    assert stored is not None
    assert [slot["used"] for slot in stored["retrieved"]] == used
    assert stub.requests[0].response_format is not None
    schema = stub.requests[0].response_format["json_schema"]["schema"]
    assert schema["properties"]["used_cases"]["items"] == {"type": "integer"}


@pytest.mark.parametrize("cited", [[0], [9], [-1], ["1"], [True], [1.0], [None], [[1]]], ids=str)
def test_citing_what_was_not_shown_is_citing_nothing(cited: Any, quick_bank: CaseBank) -> None:
    quick_bank.add(Case.from_demonstration(task="What is 7 plus 4?", answer="11"))
    with OpenAIStub(Script(planner=final("10", used=cited))) as stub:
        [shown] = agent(stub, quick_bank).invoke(LIKE)["retrieved"]
    assert shown.used is False


@pytest.mark.parametrize("cited", [None, "1", 1, {"1": True}], ids=str)
def test_a_planner_that_cites_in_no_list_has_not_said(cited: Any, quick_bank: CaseBank) -> None:
    quick_bank.add(Case.from_demonstration(task="What is 7 plus 4?", answer="11"))
    with OpenAIStub(Script(planner={**final("10"), "used_cases": cited})) as stub:
        [shown] = agent(stub, quick_bank).invoke(LIKE)["retrieved"]
    assert shown.used is None


def test_citations_of_every_plan_of_a_run_count(quick_bank: CaseBank) -> None:
    quick_bank.add(Case.from_demonstration(task="What is 7 plus 4?", answer="11"))
    script = Script(planner=[plan("Add 7 and 3", used=[1]), final("10", used=[])], executor="10")
    with OpenAIStub(script) as stub:
        [shown] = agent(stub, quick_bank).invoke(LIKE)["retrieved"]
    assert shown.used is True


def test_without_cases_the_planner_is_asked_to_cite_nothing(quick_bank: CaseBank) -> None:
    with OpenAIStub(Script(planner=final("10"))) as stub:
        agent(stub, quick_bank).invoke(LIKE)
    assert stub.requests[0].response_format is not None
    schema = stub.requests[0].response_format["json_schema"]["schema"]
    assert "used_cases" not in schema["properties"]


@pytest.mark.parametrize(("tool", "used"), [("add", True), ("multiply", False)])
def test_without_citations_a_case_was_used_when_the_run_called_its_tools(
    tool: str, used: bool, quick_bank: CaseBank
) -> None:
    step = {"subtask": "Add", "tool_calls": [{"name": "add", "args": {"a": 7, "b": 4}, "result": "11"}]}
    quick_bank.add(Case.from_demonstration(task="What is 7 plus 4?", trajectory=[step], answer="11"))
    script = Script(planner=plan("Do it", last_is_answer=True), executor=[call(tool, a=7, b=3), "10"])
    with OpenAIStub(script) as stub:
        [shown] = agent(stub, quick_bank).invoke(LIKE)["retrieved"]
    assert shown.used is used


def test_a_bank_that_is_given_is_used_whatever_the_environment_says(
    quick_bank: CaseBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMENTO_HOME", str(tmp_path / "another"))
    monkeypatch.setenv("MEMENTO_NAMESPACE", "another")
    with OpenAIStub(Script(planner=final("5"))) as stub:
        agent(stub, quick_bank).invoke({"task": "What is 2 plus 3?"})
    assert quick_bank.count() == 1
    assert not (tmp_path / "another").exists()


def test_a_run_that_repeats_a_case_adds_support_rather_than_a_copy(quick_bank: CaseBank) -> None:
    script = Script(
        planner=plan("Add 2 and 3", last_is_answer=True), executor=[call("add", a=2, b=3), "5"] * 3
    )
    with OpenAIStub(script) as stub:
        graph = agent(stub, quick_bank)
        ids = {graph.invoke(TASK)["case_id"] for _ in range(3)}
    [case_id] = ids
    assert [case.id for case in quick_bank.all()] == [case_id]
    assert quick_bank.ledger.support(quick_bank.namespace, case_id) == 3
    assert len(quick_bank.ledger.runs(quick_bank.namespace)) == 3


def test_the_same_task_done_otherwise_is_another_case(quick_bank: CaseBank) -> None:
    with OpenAIStub(adding(final("5"), final("6"))) as stub:
        graph = agent(stub, quick_bank)
        ids = {graph.invoke(TASK)["case_id"] for _ in range(3)}
    assert len(ids) == 3
    assert sorted(case.outcome for case in quick_bank.all()) == ["failure", "success", "success"]


def test_a_failed_case_is_a_warning_and_no_turn(quick_bank: CaseBank) -> None:
    script = Script(
        planner=[plan("Add 2 and 4", last_is_answer=True), final("5")], executor=[call("add", a=2, b=4), "6"]
    )
    with OpenAIStub(script) as stub:
        graph = agent(stub, quick_bank)
        assert graph.invoke(TASK)["reward"] == 0
        graph.invoke(TASK)
    _, (role, only) = conversation(asked(stub, "planner")[1].messages)
    assert role == "user"
    assert only == (
        "Past attempts that failed; do not repeat them:\n"
        '- What is 2 plus 3?: tried add({"a": 2, "b": 4})\n\n'
        "Task: What is 2 plus 3?"
    )


def test_feedback_turns_a_success_into_a_warning(quick_bank: CaseBank) -> None:
    with OpenAIStub(adding(final("5"))) as stub:
        graph = agent(stub, quick_bank)
        first = graph.invoke({"task": TASK["task"]})
        quick_bank.ledger.feedback(first["run_id"], 0.0)
        graph.invoke(TASK)
    assert "Past attempts that failed" in asked(stub, "planner")[1].messages[-1]["content"]


def test_a_deleted_case_is_shown_no_more(quick_bank: CaseBank) -> None:
    with OpenAIStub(adding(final("5"), final("5"))) as stub:
        graph = agent(stub, quick_bank)
        first = graph.invoke(TASK)
        quick_bank.delete(first["case_id"])
        second = graph.invoke(TASK)
    assert second["retrieved"] == []
    assert "Add 2 and 3" not in asked(stub, "planner")[1].text


def test_a_quarantined_case_is_shown_no_more(quick_bank: CaseBank) -> None:
    with OpenAIStub(adding(final("5"))) as stub:
        graph = agent(stub, quick_bank)
        quick_bank.set_status(graph.invoke(TASK)["case_id"], "quarantined")
        assert graph.invoke(TASK)["retrieved"] == []


def test_a_case_that_is_deleted_during_a_run_is_read_no_more(quick_bank: CaseBank) -> None:
    known = quick_bank.add(Case.from_demonstration(task=TASK["task"], plan=["Poison"], answer="5"))

    def forget(_: Any) -> Any:
        quick_bank.delete(known)
        return plan("Add 2 and 3")

    with OpenAIStub(Script(planner=[forget, final("5")], executor="5")) as stub:
        out = agent(stub, quick_bank).invoke(TASK)
    first, second = asked(stub, "planner")
    assert "Poison" in first.text
    assert "Poison" not in second.text
    assert out["reward"] == 1


def test_the_cases_that_were_shown_are_the_parents_of_the_new_one(quick_bank: CaseBank) -> None:
    with OpenAIStub(adding(final("10"))) as stub:
        graph = agent(stub, quick_bank)
        parent = graph.invoke(TASK)["case_id"]
        child = quick_bank.get(graph.invoke(LIKE)["case_id"])
    assert child is not None
    assert child.parents == [parent]


def test_memory_is_there_in_the_next_process(home: Path, encoder: Any) -> None:
    with OpenAIStub(adding(final("5"))) as stub:
        with CaseBank(home, embedding=encoder) as bank:
            first = agent(stub, bank).invoke(TASK)
        with CaseBank(home, embedding=encoder) as bank:
            second = agent(stub, bank).invoke(TASK)
            assert len(bank.ledger.runs()) == 2
    assert [shown.case_id for shown in second["retrieved"]] == [first["case_id"]]


def test_namespaces_do_not_see_each_other(quick_bank: CaseBank) -> None:
    with OpenAIStub(adding(final("5"))) as stub:
        graph = agent(stub, quick_bank)
        graph.invoke(TASK)
        other = graph.invoke(TASK, context=Context(namespace=f"{quick_bank.namespace}-other"))
    assert other["retrieved"] == []


def test_a_case_with_names_that_no_service_takes_does_not_stop_a_run(quick_bank: CaseBank) -> None:
    step = {"subtask": "Add", "tool_calls": [{"name": "calc. add!", "args": {"a": 1}, "result": "5"}]}
    quick_bank.add(Case.from_demonstration(task=TASK["task"], trajectory=[step], answer="5"))
    script = Script(planner=plan("Add", last_is_answer=True), executor="5")
    with OpenAIStub(script) as stub:
        out = agent(stub, quick_bank).invoke(TASK)
    assert (out["answer"], stub.violations) == ("5", [])


def test_what_is_learned_changes_what_is_shown(quick_bank: CaseBank) -> None:
    """A case that looks best and always misleads is, in time, shown less than one that helps."""
    step = {"subtask": "Add", "tool_calls": [{"name": "add", "args": {}, "result": "5"}]}
    good = quick_bank.add(Case.from_demonstration(task="What is 2 plus 9?", trajectory=[step], answer="11"))
    bad = quick_bank.add(Case.from_demonstration(task="What is 2 plus 3?", plan=["Guess"], answer="6"))

    def follow(request: Any) -> Any:
        return final("6" if "Guess" in request.text else "5")

    with OpenAIStub(Script(planner=follow)) as stub:
        graph = agent(stub, quick_bank, policy="kernel", k=1, grow=False)
        for _ in range(40):
            graph.invoke(TASK)
        frozen = [graph.invoke(TASK, context=Context(learn=False))["retrieved"] for _ in range(3)]
    assert bad not in {shown.case_id for retrieved in frozen for shown in retrieved}
    rewards = [row["reward"] for row in reversed(quick_bank.ledger.runs(quick_bank.namespace))]
    assert sum(rewards[-15:]) >= 12
    assert good
