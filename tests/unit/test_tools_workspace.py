"""The files of a run: what can be done with them, and that nothing gets out of their folder."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memento.tools import ToolConfig, builtin_tools
from memento.tools.run_folder import OutsideError, RunFolders
from tests.sandbox_tools import Workbench

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it needs openat")


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path / "runs", quota=10_000)


def test_what_is_written_can_be_read_listed_and_found(bench: Workbench) -> None:
    assert bench.use("workspace_write", path="notes/a.txt", text="three apples\n") == (
        "wrote notes/a.txt (13 bytes)"
    )
    bench.use("workspace_write", path="/workspace/notes/a.txt", text="two Pears\n", append=True)
    assert bench.use("workspace_read", path="notes/a.txt") == "three apples\ntwo Pears\n"
    assert bench.use("workspace_read", path="notes/a.txt", from_line=2) == "two Pears\n"
    assert bench.use("workspace_list") == "notes/a.txt (23 bytes)"
    assert bench.use("workspace_search", text="PEARS") == "notes/a.txt:2: two Pears"
    assert bench.use("workspace_search", text="plums") == "no line contains 'plums'"


def test_each_run_has_a_folder_of_its_own(bench: Workbench) -> None:
    bench.use("workspace_write", "one", path="a.txt", text="mine")
    assert bench.use("workspace_list", "two") == "there are no files"
    assert "there is no 'a.txt'" in bench.use("workspace_read", "two", path="a.txt")


@pytest.mark.parametrize("run", ["..", "../two", "/etc", "a/b", "", "." * 3, "x" * 500, "\0"])
def test_no_name_of_a_run_leads_out_of_the_folder_of_all(run: str, bench: Workbench, tmp_path: Path) -> None:
    bench.use("workspace_write", run, path="a.txt", text="x")
    written = list(tmp_path.rglob("a.txt"))
    assert [path.parent.parent for path in written] == [tmp_path / "runs"]


def test_long_files_are_read_in_parts(bench: Workbench) -> None:
    bench.use("workspace_write", path="a.txt", text="".join(f"line {n}\n" for n in range(900)))
    first = bench.use("workspace_read", path="a.txt")
    assert len(first) <= 4000
    start = int(first.rpartition("from_line=")[2].rstrip("]"))
    assert bench.use("workspace_read", path="a.txt", from_line=start).startswith(f"line {start - 1}\n")


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "~/x", "/workspace/../x", "..", "a/b/c/" * 20, "", "x\0y", "/"],
)
def test_paths_that_lead_elsewhere_are_refused_in_one_sentence(path: str, bench: Workbench) -> None:
    for name, more in (("workspace_read", {}), ("workspace_write", {"text": "x"})):
        answer = bench.use(name, path=path, **more)
        assert answer.startswith(f"Error: {name}: ")
        assert "\n" not in answer


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.sampled_from(["..", ".", "", "a", "link", "file", "/", "~", "…"]), max_size=6))
def test_no_path_at_all_writes_outside(parts: list[str], bench: Workbench, tmp_path: Path) -> None:
    folder = bench.folders.of("run").path
    if not (folder / "link").is_symlink():
        (folder / "link").symlink_to(tmp_path)
    bench.use("workspace_write", path="/".join(parts), text="x")
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "runs")}
    assert outside == set()


def test_links_and_what_is_no_file_are_not_followed(bench: Workbench, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2")
    folder = bench.folders.of("run").path
    (folder / "soft").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    os.link(secret, folder / "hard")
    os.mkfifo(folder / "pipe")
    for path in ("soft", "hard", "pipe", "up/secret.txt", "up"):
        assert "hunter2" not in bench.use("workspace_read", path=path)
        assert bench.use("workspace_read", path=path).startswith("Error: ")
        assert bench.use("workspace_write", path=path, text="x").startswith("Error: ")
    assert secret.read_text() == "hunter2"
    assert "hunter2" not in bench.use("workspace_search", text="hunter")
    assert "up" not in bench.use("workspace_list", path="up").removeprefix("Error: workspace_list: 'up'")


def test_the_quota_holds_and_says_so(bench: Workbench) -> None:
    assert "is full" in bench.use("workspace_write", path="a.txt", text="x" * 10_001)
    for number in range(9):
        bench.use("workspace_write", path=f"{number}.txt", text="x" * 1_000)
    assert "is full" in bench.use("workspace_write", path="b.txt", text="x" * 1_001)


def test_binary_files_are_not_shown_and_odd_names_are_printable(bench: Workbench) -> None:
    folder = bench.folders.of("run").path
    (folder / "a.bin").write_bytes(b"\0\1\2")
    (folder / "new\nline").write_text("x")
    assert "is no text" in bench.use("workspace_read", path="a.bin")
    assert bench.use("workspace_list") == "a.bin (3 bytes)\nnew?line (1 bytes)"


def test_only_the_newest_folders_are_kept_and_empty_ones_go_with_their_run(tmp_path: Path) -> None:
    folders = RunFolders(tmp_path / "runs", kept=3)
    for number in range(5):
        folder = folders.of(f"run-{number}")
        os.utime(folder.path, (number, number))
    assert sorted(path.name for path in folders.root.iterdir()) == ["run-2", "run-3", "run-4"]
    folders.end("run-4")
    (folders.of("run-3").path / "kept").touch()
    folders.end("run-3")
    assert sorted(path.name for path in folders.root.iterdir()) == ["run-2", "run-3"]


def test_without_a_folder_the_tools_are_absent() -> None:
    names = {tool.name for tool in builtin_tools(ToolConfig())}
    assert not any(name.startswith("workspace_") for name in names)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path).of("run")
    (folder.path / "a").write_text("x")
    with pytest.raises(OutsideError, match="no plain file or folder"):
        folder.entries("a")
