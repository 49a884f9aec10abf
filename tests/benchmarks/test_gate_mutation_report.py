"""What the benchmark of the gates counts, and how it says it."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import pages
from benchmarks.gate_mutation.catalog import SABOTAGES
from benchmarks.gate_mutation.pipeline import ACTIONS, OUTPUTS, Outcome, copy_before, from_stage
from benchmarks.gate_mutation.plot import draw
from benchmarks.gate_mutation.report import is_refused, rate, report, table
from benchmarks.gate_mutation.shop import is_kept


def row(name: str, *caught_by: str, verdict: str = "FAIL") -> dict[str, Any]:
    one = SABOTAGES[name]
    return {
        "name": name, "kind": one.kind, "before": one.before, "half": one.half, "words": one.words,
        "verdict": verdict, "caught_by": list(caught_by), "message": "said", "passed": [], "seconds": {},
        "total_seconds": 1.5, "made_of": "x", "refused_as_honest": False,
    }  # fmt: skip


def whole() -> dict[str, Any]:
    rows = [row("label_leak", "plausible_gain"), row("shuffled_labels", verdict="PASS")]
    honest = [row("label_leak", verdict="PASS") | {"name": "honest-week-53-seed-7"}]
    data = {"name": "Complete Journey", "week": 53, "share": 0.1}
    return report(rows, honest, data, {"decide_promotion.minimum_households": 30}, ["stale_prices"])


def test_catalog__has_twenty_sabotages_of_either_half() -> None:
    halves = [one.half for one in SABOTAGES.values()]
    assert min(halves.count("unseen"), halves.count("developed")) >= 20
    assert {one.kind for one in SABOTAGES.values()} == {"data", "labels", "features", "training", "packaging"}
    assert all(one.before in OUTPUTS and one.words for one in SABOTAGES.values())


def test_rate__has_the_exact_interval() -> None:
    # None of 30: the upper end p is where (1 - p)^30 is a fortieth.
    found = rate("false_alarms", "honest", [{"verdict": "PASS"}] * 30, is_refused)
    assert (found["value"], found["low"]) == (0.0, 0.0)
    assert found["high"] == pytest.approx(1 - 0.025 ** (1 / 30), abs=1e-6)


def test_counting__leaves_out_checks_that_refuse_the_honest_model_too() -> None:
    seen = Outcome("FAIL", ("superior_to_als", "past_only"), "said", (), {})
    assert seen.counting(["past_only"]).caught_by == ("past_only",)
    assert seen.counting([]).caught_by == ()
    broken = Outcome("ERROR", ("stage_error",), "said", (), {})
    assert broken.counting([]).caught_by == ("stage_error",)


def test_copy_before__keeps_what_came_earlier_and_drops_the_rest(tmp_path: Path) -> None:
    honest = tmp_path / "honest"
    for name in ("data/validated/a", "data/features/b", "models/candidate/c", "reports/metrics.json"):
        (honest / name).parent.mkdir(parents=True, exist_ok=True)
        (honest / name).write_text("honest")
    copy_before(honest, "blend_candidate", tmp_path / "copy")
    left = sorted(path.name for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert left == ["a", "b"]
    assert (honest / "models/candidate/c").read_text() == "honest"
    assert from_stage("decide_promotion", ACTIONS[-1]) == (
        "decide_promotion",
        "build_bento",
        "decide_package",
    )


def test_is_kept__grows_with_the_share() -> None:
    users = [str(number) for number in range(2000)]
    small = {user for user in users if is_kept(user, 0.1)}
    assert small < {user for user in users if is_kept(user, 0.2)}
    assert 150 < len(small) < 250
    assert all(is_kept(user, 1.0) for user in users)


def test_report__says_what_slips_through(tmp_path: Path) -> None:
    found = whole()
    assert [goal["met"] for goal in found["goals"]] == [False, True]
    assert {(one["system"], one["count"], one["of"]) for one in found["results"]} == {
        ("developed", 1, 1), ("unseen", 0, 1), ("all", 1, 2), ("honest", 0, 1),
    }  # fmt: skip
    assert "| shuffled_labels | labels | unseen | **nothing** | PASS |" in table(found)
    page = pages.render_page("gate_mutation", found)
    assert "No check that the honest workspace passes caught: shuffled_labels." in page
    assert "Not run for want of time: stale_prices." in page
    draw(found, tmp_path / "gate_mutation.png")
    assert (tmp_path / "gate_mutation.png").stat().st_size > 5_000
