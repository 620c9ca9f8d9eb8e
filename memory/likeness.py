"""Which candidates did the same: what each would add beside another, and which repeat each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memento.memory.advantage_terms import in_common_of
from memento.memory.case_bank import Candidate

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

AGREEMENT = 0.2
"""What a case adds beside one that did the same, times the cosine of their tasks: a planner follows a pattern
that several cases share more surely than one that they contradict, and their credit is clearer."""
NEAR_DUPLICATE = 0.985
"""Cosine from which two cases that did the same count as one."""


@dataclass(frozen=True)
class Likeness:
    """Of candidates, shape (candidates, candidates): whether one repeats another, as each does itself, and
    what each column adds beside a row that is shown.
    """

    duplicates: Flags
    agreement: Floats


def likeness_of(candidates: Sequence[Candidate]) -> Likeness:
    """Cases that ended alike and called the same tools agree, and so do, by twice as much, those of one form
    (memory/form.py), which repeat each other where their tasks are nearly the same. What failed, or called
    no tool, adds nothing to others.
    """
    vectors = np.stack([candidate.vector for candidate in candidates])
    cosines = (vectors @ vectors.T).astype(np.float64)
    same_tools = _same([(c.tools, c.outcome) for c in candidates])
    same_form = same_tools & _same([c.form for c in candidates])
    duplicates = same_form & (cosines >= NEAR_DUPLICATE)
    np.fill_diagonal(duplicates, val=True)
    leads = np.asarray([bool(c.tools) and c.outcome == "success" for c in candidates])
    in_common = in_common_of(same_tools, same_form) * leads[:, None]
    return Likeness(duplicates, AGREEMENT * in_common * np.maximum(cosines, 0.0))


def _same(kinds: Sequence[Any]) -> Flags:
    """Which are equal to which, shape (kinds, kinds)."""
    numbers: dict[Any, int] = {}
    places = np.asarray([numbers.setdefault(kind, len(numbers)) for kind in kinds])
    return np.asarray(places[:, None] == places[None, :])
