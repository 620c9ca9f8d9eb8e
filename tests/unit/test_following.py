"""Which pattern a planner follows: learned from what it followed, and expected of new slates."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memento.memory.following import USUAL_SHARPNESS, expected_shares, shares_by_size, sharpness

slates = st.lists(
    st.tuples(st.integers(0, 3), st.floats(-1, 1, allow_nan=False)), min_size=1, max_size=6
).map(lambda rows: (np.asarray([did for did, _ in rows]), np.asarray([cosine for _, cosine in rows])))
betas = st.floats(0, 40)


@given(slate=slates, beta=betas)
def test_the_expected_shares_of_each_size_sum_to_one_and_are_those_of_that_slate_alone(
    slate: tuple[np.ndarray, np.ndarray], beta: float
) -> None:
    did, cosines = slate
    by_size = shares_by_size(did[None, :], cosines[None, :], beta)[0]
    for size in range(1, len(did) + 1):
        assert by_size[size - 1, :size] == pytest.approx(expected_shares(did[:size], cosines[:size], beta))
        assert by_size[size - 1].sum() == pytest.approx(1)
        assert not by_size[size - 1, size:].any()


@given(slate=slates, beta=betas, seed=st.integers(0, 100))
def test_the_order_of_a_slate_does_not_matter(
    slate: tuple[np.ndarray, np.ndarray], beta: float, seed: int
) -> None:
    did, cosines = slate
    order = np.random.default_rng(seed).permutation(len(did))
    assert expected_shares(did[order], cosines[order], beta) == pytest.approx(
        expected_shares(did, cosines, beta)[order]
    )


def test_the_pattern_of_the_nearest_task_is_followed_and_its_cases_share() -> None:
    shares = expected_shares(np.asarray([1, 1, 2]), np.asarray([0.9, 0.2, 0.5]), 10.0)
    assert shares[0] == shares[1] > 0.45
    assert shares[2] == pytest.approx(1 / (1 + np.exp(4.0)))


@given(beta=betas, cosines=st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=5))
def test_cases_that_do_not_say_what_they_did_share_equally(beta: float, cosines: list[float]) -> None:
    did = np.zeros(len(cosines), np.int64)
    assert expected_shares(did, np.asarray(cosines), beta) == pytest.approx(1 / len(cosines))


@pytest.mark.parametrize(("true", "low", "high"), [(0.0, 0.0, 2.0), (8.0, 5.0, 13.0), (32.0, 22.0, 32.0)])
def test_how_sharply_the_nearest_is_followed_is_learned_from_what_was_followed(
    true: float, low: float, high: float
) -> None:
    rng = np.random.default_rng(0)
    runs = np.repeat(np.arange(300), 3)
    did, cosines = np.tile([1, 2, 3], 300), rng.uniform(0.2, 0.9, 900)
    shares = np.zeros(900)
    for run in range(300):
        here = slice(3 * run, 3 * run + 3)
        chosen = rng.choice(3, p=expected_shares(did[here], cosines[here], true))
        shares[3 * run + chosen] = 1.0
    assert low <= sharpness(runs, did, cosines, shares) <= high


@given(
    slates=st.lists(
        st.lists(
            st.tuples(st.integers(1, 3), st.floats(-1, 1, allow_nan=False), st.booleans()),
            min_size=1,
            max_size=4,
        ),
        max_size=6,
    )
)
def test_how_sharply_it_is_followed_is_the_textbooks_posterior_mean(
    slates: list[list[tuple[int, float, bool]]],
) -> None:
    runs = np.asarray([run for run, slate in enumerate(slates) for _ in slate], np.int64)
    did = np.asarray([d for slate in slates for d, _, _ in slate], np.int64)
    cosines = np.asarray([c for slate in slates for _, c, _ in slate], np.float64)
    shares = np.asarray([float(f) for slate in slates for _, _, f in slate], np.float64)
    prior = {0.0: 0.05, 2.0: 0.1, 4.0: 0.15, 8.0: 0.3, 16.0: 0.3, 32.0: 0.1}
    weights = {}
    for beta, chance in prior.items():
        weights[beta] = chance
        for slate in slates:
            if any(f for _, _, f in slate) and not all(f for _, _, f in slate):
                nearest: dict[int, float] = {}
                for pattern, cosine, _ in slate:
                    nearest[pattern] = max(cosine, nearest.get(pattern, -2.0))
                pull = {pattern: math.exp(beta * cosine) for pattern, cosine in nearest.items()}
                of_pattern = {pattern: sum(one[0] == pattern for one in slate) for pattern in pull}
                expected = [pull[d] / sum(pull.values()) / of_pattern[d] for d, _, f in slate if f]
                weights[beta] *= sum(expected) + 1e-3
    mean = sum(beta * weight for beta, weight in weights.items()) / sum(weights.values())
    assert sharpness(runs, did, cosines, shares) == pytest.approx(mean)


def test_runs_that_followed_nothing_or_everything_teach_nothing() -> None:
    runs, did, cosines = np.asarray([0, 0, 1, 1]), np.asarray([1, 2, 1, 2]), np.asarray([0.9, 0.1, 0.9, 0.1])
    assert sharpness(runs, did, cosines, np.full(4, 0.5)) == pytest.approx(USUAL_SHARPNESS)
    assert sharpness(runs[:0], did[:0], cosines[:0], cosines[:0]) == pytest.approx(USUAL_SHARPNESS)
