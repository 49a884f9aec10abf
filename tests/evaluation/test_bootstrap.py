"""The paired bootstrap against the normal theory it must agree with on plain data."""

import numpy as np
import pytest

from pipelines.evaluation.bootstrap import mean_interval, mean_intervals, paired_interval


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


def test_mean_intervals__of_several_means_are_those_of_each() -> None:
    values = np.random.default_rng(4).random((60, 3))
    together = mean_intervals(values, samples=250, confidence=0.9, seed=2)
    alone = [mean_interval(column, samples=250, confidence=0.9, seed=2) for column in values.T]
    for ours, theirs in zip(together, alone, strict=True):
        assert [ours.mean, ours.low, ours.high] == pytest.approx([theirs.mean, theirs.low, theirs.high])


def test_mean_intervals__weighed_are_those_of_every_question_of_the_drawn_households() -> None:
    values, questions = np.array([1.0, 0.0, 0.5]), np.array([3.0, 1.0, 1.0])
    (found,) = mean_intervals(values[:, None], samples=400, confidence=0.9, seed=3, weight=questions)
    assert found.mean == pytest.approx((3 * 1.0 + 1 * 0.0 + 1 * 0.5) / 5)
    drawn = np.random.default_rng(3).multinomial(3, np.full(3, 1 / 3), size=100)
    means = [np.repeat(values, (count * questions).astype(int)).mean() for count in drawn]
    (same,) = mean_intervals(values[:, None], samples=100, confidence=0.9, seed=3, weight=questions)
    assert (same.low, same.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))
