"""What the models see of a vector."""

import numpy as np
import pytest

from memento.bench.worlds import question_vectors
from memento.memory.components import COMPONENTS, components, directions


def test_the_default_encoders_components_are_centred_white_and_uncorrelated() -> None:
    found = components(question_vectors())
    assert found.shape == (len(question_vectors()), COMPONENTS)
    assert np.abs(found.mean(axis=0)).max() < 0.02
    np.testing.assert_allclose(np.cov(found.T), np.eye(COMPONENTS), atol=0.02)


@pytest.mark.parametrize("dimensions", [64, 768, 1536])
def test_of_another_encoder_too_alike_texts_have_alike_directions(dimensions: int) -> None:
    rng = np.random.default_rng(0)
    text, other = rng.standard_normal((2, 200, dimensions)).astype(np.float32)
    alike = text + 0.3 * rng.standard_normal(text.shape).astype(np.float32)
    rows = [row / np.linalg.norm(row, axis=1, keepdims=True) for row in (text, alike, other)]
    here, near, far = (directions(components(row)) for row in rows)
    assert np.allclose(np.linalg.norm(here, axis=1), 1)
    near_cosines, far_cosines = (here * near).sum(axis=1), (here * far).sum(axis=1)
    assert near_cosines.mean() > 0.8
    assert abs(far_cosines.mean()) < 0.15
    assert np.array_equal(here, directions(components(rows[0])))
