"""The held-out split: near-duplicates on one side, and no test older than what taught."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memento.bench.split import held_out
from memento.errors import UsageError

groups = st.lists(st.integers(0, 30), min_size=2, max_size=80).filter(lambda drawn: len(set(drawn)) > 1)


@given(groups)
def test_near_duplicates_are_on_one_side_and_every_task_is_on_one(drawn: list[int]) -> None:
    teach, test = held_out(drawn)
    assert sorted(teach + test) == list(range(len(drawn)))
    assert teach == sorted(teach)
    assert test == sorted(test)
    assert teach
    assert test
    assert not {drawn[place] for place in teach} & {drawn[place] for place in test}


@given(groups)
def test_what_is_held_out_came_up_after_all_that_teaches_first_came_up(drawn: list[int]) -> None:
    teach, test = held_out(drawn)
    assert max(drawn.index(drawn[place]) for place in teach) < test[0]


@given(groups)
def test_a_quarter_is_held_out_unless_the_newest_group_alone_is_more(drawn: list[int]) -> None:
    _, test = held_out(drawn)
    assert len(test) <= len(drawn) / 4 or len({drawn[place] for place in test}) == 1


def test_without_duplicates_it_is_the_last_quarter() -> None:
    assert held_out(list("abcdefgh")) == ([0, 1, 2, 3, 4, 5], [6, 7])


def test_one_kind_of_task_cannot_be_split() -> None:
    with pytest.raises(UsageError, match="at least two kinds"):
        held_out(["a", "a", "a"])
