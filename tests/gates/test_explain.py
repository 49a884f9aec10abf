"""What is told of a decision, and the figures that would have changed it, worked out by hand."""

import json
import os
import subprocess
import sys
from typing import Any

from pipelines.gates.explain import explain
from pipelines.releases.ledger import Ledger

POLICY = {
    "policy_version": 3,
    "metric": "ndcg_at_10",
    "champion_margin": 0.01,
    "baselines": ["popularity", "als"],
}
EVIDENCE = {
    "week": 45,
    "households": 900,
    "holdout_sha256": "abcdef0123456789",
    "means": {"blend": 0.3, "als": 0.2},
}


def check(
    name: str, verdict: str, observed: Any = None, threshold: Any = None, **more: Any
) -> dict[str, Any]:
    ends = {"low": None, "high": None} | more
    return {
        "name": name,
        "verdict": verdict,
        "observed": observed,
        "threshold": threshold,
        "message": "found",
    } | ends


def told(*checks: dict[str, Any], verdict: str = "FAIL") -> list[str]:
    households = check("enough_households", "PASS", 900.0, 300.0)
    return explain(
        {"verdict": verdict, "checks": [households, *checks], "policy": POLICY, "evidence": EVIDENCE}
    )


def line_of(name: str, lines: list[str]) -> str:
    (line,) = [line for line in lines if f" {name}: " in line]
    return line


def test_explain__says_first_what_was_decided_and_under_what() -> None:
    lines = told(check("superior_to_als", "FAIL", -0.01, 0.0, low=-0.02, high=0.0))
    assert lines[0] == "It was refused (FAIL): of 2 checks, superior_to_als does not hold."
    assert lines[1] == (
        "Compared on week 45, 900 households, frozen as abcdef012345; ndcg_at_10: blend 0.3000, als 0.2000."
    )
    assert lines[2] == (
        "The policy it was made under: policy_version 3, metric ndcg_at_10, champion_margin 0.01, "
        "baselines popularity, als."
    )
    assert lines[3].startswith("FAIL superior_to_als: found.")


def test_explain__of_a_pass_says_how_much_was_left() -> None:
    lines = told(check("superior_to_als", "PASS", 0.01, 0.0, low=0.004, high=0.016), verdict="PASS")
    assert lines[0].startswith("It passed: all 2 checks hold.")
    assert line_of("superior_to_als", lines).endswith(
        "It would not have held with a difference lower by 0.0040."
    )
    assert line_of("enough_households", lines).endswith("It would not have held with less than 300.")


def test_explain__counts_the_households_that_would_tell() -> None:
    # Half the interval is .004 and the difference .002: twice too wide, so four times the households.
    unsure = check("superior_to_als", "INSUFFICIENT_EVIDENCE", 0.002, 0.0, low=-0.002, high=0.006)
    lines = told(unsure, verdict="INSUFFICIENT_EVIDENCE")
    assert (
        lines[0]
        == "It was refused (INSUFFICIENT_EVIDENCE): of 2 checks, superior_to_als could not be decided."
    )
    line = line_of("superior_to_als", lines)
    assert "short by 0.0020" in line
    assert "About 3,600 households instead of 900" in line


def test_explain__tells_the_margin_that_would_have_let_it_pass() -> None:
    # The champion has .3, so the margin of 1 % is .003; the lower end is .006 below the champion: 2 %.
    unsure = check(
        "not_inferior_to_champion", "INSUFFICIENT_EVIDENCE", -0.001, -0.003, low=-0.006, high=0.004
    )
    line = line_of("not_inferior_to_champion", told(unsure))
    assert "A margin of 2.01% instead of 1.00% would have let it pass." in line
    # Half the interval is .005, what is left to the margin .002: 2.5 squared is 6.25 times.
    assert "About 5,625 households" in line


def test_explain__does_not_promise_that_more_households_help_what_is_worse() -> None:
    line = line_of("superior_to_als", told(check("superior_to_als", "FAIL", -0.01, 0.0, low=-0.02, high=0.0)))
    assert "more households would not help" in line
    assert "About" not in line


def test_explain__of_a_limit_names_the_one_that_would_have_held() -> None:
    slow = check("p99_latency_ms", "FAIL", 228.431, 200.0)
    wrong = check("known_queries", "FAIL", 38.0, 20.0)
    unmeasured = check("peak_memory_mib", "INSUFFICIENT_EVIDENCE", None, 1024.0)
    lines = told(slow, wrong, unmeasured)
    assert lines[0].endswith("p99_latency_ms, known_queries, peak_memory_mib do not hold.")
    assert line_of("p99_latency_ms", lines).endswith("A limit of 228.44 would have let it pass.")
    assert line_of("known_queries", lines) == "FAIL known_queries: found."
    assert line_of("peak_memory_mib", lines) == "INSUFFICIENT_EVIDENCE peak_memory_mib: found."


def test_explain__of_too_few_names_a_limit_that_they_reach() -> None:
    few = check("covers_the_catalog", "FAIL", 0.4567, 0.5)
    assert line_of("covers_the_catalog", told(few)).endswith("A limit of 0.45 would have let it pass.")


def test_explain__of_a_harmed_slice_says_how_much_is_missing() -> None:
    harmed = check("slice_new", "FAIL", -0.04, -0.015, low=-0.05, high=-0.03)
    line = line_of("slice_new", told(harmed))
    assert line.endswith("With a difference higher by 0.0250 it would be within the margin (-0.0150).")


def test_explain__of_a_champion_that_saw_the_holdout_names_no_limit() -> None:
    seen = check("champion_unseen_holdout", "FAIL", 53.0, 52.0)
    assert line_of("champion_unseen_holdout", told(seen)) == "FAIL champion_unseen_holdout: found."


def test_command__finds_a_decision_by_its_own_id_and_by_its_run(tmp_path: Any) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    body = {"verdict": "PASS", "checks": [check("superior_to_als", "PASS")]}
    decision = ledger.record_decision("run-1", "quality", "PASS", "it passed", body)

    for name in (decision, "run-1"):
        done = explained(tmp_path, name)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"Quality decision {decision} of run run-1, ")
        assert "  PASS superior_to_als: found." in done.stdout
    (document,) = json.loads(explained(tmp_path, decision, "--json").stdout)
    assert document["explanation"][0].startswith("It passed")
    unknown = explained(tmp_path, "r-1")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "no decision, run or release 'r-1'" in unknown.stderr


def explained(home: Any, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.cli", "gate", "explain", *words]
    return subprocess.run(
        command, env=os.environ | {"SHOPLOOP_HOME": str(home)}, capture_output=True, text=True
    )
