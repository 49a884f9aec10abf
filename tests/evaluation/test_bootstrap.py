"""The paired bootstrap against the normal theory it must agree with on plain data."""

import numpy as np
import pytest

from pipelines.evaluation.bootstrap import paired_interval


def interval(ours: np.ndarray, theirs: np.ndarray):
    return paired_interval(ours, theirs, samples=4000, confidence=0.95, seed=1)


def test_paired_interval__agrees_with_the_normal_interval() -> None:
    generator = np.random.default_rng(0)
    theirs = generator.normal(0.3, 0.2, 1394)
    ours = theirs + generator.normal(0.004, 0.055, 1394)
    found = interval(ours, theirs)
    error = (ours - theirs).std(ddof=1) / np.sqrt(1394)
    assert found.mean == pytest.approx((ours - theirs).mean())
    assert found.standard_error == pytest.approx(error, rel=0.05)
    assert [found.low, found.high] == pytest.approx(
        [found.mean - 1.96 * error, found.mean + 1.96 * error], abs=error / 8
    )


def test_paired_interval__equal_systems_have_no_interval() -> None:
    values = np.linspace(0, 1, 50)
    assert (interval(values, values).low, interval(values, values).high) == (0.0, 0.0)


def test_paired_interval__same_evidence_same_interval() -> None:
    ours, theirs = np.random.default_rng(3).random((2, 200))
    assert interval(ours, theirs) == interval(ours, theirs)


def test_paired_interval__refuses_unpaired_values() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        interval(np.zeros(3), np.zeros(2))
