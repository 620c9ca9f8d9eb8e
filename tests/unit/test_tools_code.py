"""Python for the agent: what it says, keeps and makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from memento.tools import ToolConfig, tool_status
from memento.tools.boundary import find_boundary
from memento.tools.code_session import CodeLimits, CodeSessions
from memento.tools.run_folder import RunFolders
from tests.agent import Script, agent, call, final, plan
from tests.openai_stub import OpenAIStub
from tests.sandbox_tools import Workbench, needs_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memento.memory import CaseBank


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    made = Workbench(tmp_path_factory.mktemp("runs"))
    yield made
    made.close()


@needs_sandbox
def test_it_gives_what_is_printed_and_the_last_value(bench: Workbench) -> None:
    assert bench.code("print('a')\n2 + 3") == "a\n5"
    assert bench.code("x = 1") == "(it ran, and printed nothing)"
    assert bench.code("None") == "(it ran, and printed nothing)"


@needs_sandbox
def test_variables_are_kept_within_a_run_and_not_between_runs(bench: Workbench) -> None:
    bench.code("kept = 42", run="one")
    assert bench.code("kept + 1", run="one") == "43"
    assert "NameError in line 1" in bench.code("kept", run="two")


@needs_sandbox
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", "ZeroDivisionError in line 1: division by zero"),
        ("x = 1\ny = [\n", "SyntaxError in line 2"),
        ("def f():\n    raise ValueError('bad')\nf()", "ValueError in line 2: bad"),
        ("print('so far')\nint('x')", "Printed before that:\nso far"),
        ("", "give Python code"),
        ("a\0b", "give Python code"),
    ],
)
def test_an_error_says_what_and_where(code: str, said: str, bench: Workbench) -> None:
    answer = bench.code(code)
    assert answer.startswith("Error: run_python: ")
    assert said in answer


@needs_sandbox
def test_exit_and_odd_errors_do_not_end_the_session(bench: Workbench) -> None:
    bench.code("here = 1", run="odd")
    bench.code("raise SystemExit(3)", run="odd")
    bench.code("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", run="odd")
    bench.code("raise KeyboardInterrupt", run="odd")
    assert bench.code("here", run="odd") == "1"


@needs_sandbox
def test_a_fork_does_not_answer_in_pythons_place(bench: Workbench) -> None:
    code = "import os\nchild = os.fork()\nif child == 0: raise ValueError('of the fork')\n"
    assert bench.code(f"{code}os.waitpid(child, 0)[0] == child", run="forks") == "True"
    assert bench.code("1 + 1", run="forks") == "2"


@needs_sandbox
def test_files_are_shared_with_the_workspace_and_listed(bench: Workbench) -> None:
    bench.use("workspace_write", path="in.txt", text="5", run="files")
    said = bench.code("open('out.txt', 'w').write(open('in.txt').read() * 2)", run="files")
    assert said == "2\nFiles: 'out.txt' (2 bytes)"
    assert bench.use("workspace_read", path="out.txt", run="files") == "55"


@needs_sandbox
def test_plots_come_back_as_images(bench: Workbench) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    assert "'plot_1.png'" in bench.code(code, run="plot")
    image = bench.folders.of("plot").path / "plot_1.png"
    assert image.read_bytes().startswith(b"\x89PNG")


@needs_sandbox
def test_long_output_is_shortened_with_a_way_to_the_rest(bench: Workbench) -> None:
    said = bench.code("for n in range(5000): print('line', n)", run="long")
    assert len(said) < 5000
    assert 'workspace_read(path="output_1.txt")' in said
    rest = bench.use("workspace_read", path="output_1.txt", from_line=5000, run="long")
    assert rest == "line 4999\n"


@needs_sandbox
async def test_it_works_asynchronously(bench: Workbench) -> None:
    assert await bench.tools["run_python"].ainvoke({"code": "6 * 7"}) == "42"


def test_without_a_boundary_the_tool_is_absent_and_says_what_it_needs() -> None:
    [row] = [row for row in tool_status(ToolConfig(code_needs="install it")) if row.name == "run_python"]
    assert (row.ready, row.needs) == (False, "install it")


def test_with_no_boundary_code_runs_only_where_the_user_says_unsafe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SOME_SECRET", "hunter2")
    boundary, needs = find_boundary()
    assert boundary is None
    assert "apt-get install bubblewrap" in needs
    unsafe, _ = find_boundary(unsafe=True)
    assert unsafe is not None
    assert not unsafe.isolated
    with CodeSessions(unsafe, RunFolders(tmp_path / "runs"), CodeLimits(seconds=20)) as sessions:
        reply = sessions.of("run").run("import os\nprint(sorted(os.environ))")
    assert "PATH" in reply["printed"]
    assert "SECRET" not in reply["printed"]


@needs_sandbox
def test_an_agents_python_ends_with_its_run(tmp_path: Path, bank: CaseBank) -> None:
    replies = Script(
        planner=[plan("Compute"), final("42")],
        executor=[call("run_python", code="x = 6"), call("run_python", code="print(x * 7)"), "42"],
    )
    with OpenAIStub(replies) as stub:
        out = agent(stub, bank, tools=None, workspaces=tmp_path / "runs").invoke({"task": "Compute"})
    assert [made["result"] for made in out["trajectory"][0]["tool_calls"]] == [
        "(it ran, and printed nothing)",
        "42",
    ]
    assert not any((tmp_path / "runs").iterdir())
    assert "run_python" in json.dumps(out["offered"])
