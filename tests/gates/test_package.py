"""The package gate on rehearsals written by hand."""

from dataclasses import replace

import pytest

from pipelines.domain import Verdict
from pipelines.gates.package import Rehearsal, decide, percentile
from pipelines.params import DecidePackage

POLICY = DecidePackage(
    p99_ms_limit=20,
    memory_mib_limit=500,
    memory_growth_kib_limit=24,
    ready_seconds_limit=30,
    known_queries_min=3,
    timed_requests=100,
    release_dirty=True,
    licences_allowed=("Apache-2.0", "MIT"),
)
GOOD = Rehearsal(
    tag="shoploop:1",
    ready_seconds=4.0,
    queries_asked=3,
    latencies_ms=(1.0,) * 99 + (30.0,),
    peak_memory_mib=300.0,
    memory_growth_kib=2.0,
    still_shown=(),
    licences={"numpy": "MIT"},
)


def verdict_of(seen: Rehearsal, name: str) -> tuple[Verdict, str]:
    decision = decide(POLICY, seen)
    (check,) = (check for check in decision.checks if check.name == name)
    assert decision.kind == "package"
    return check.verdict, check.message


def test_decide__passes_what_holds_every_limit() -> None:
    decision = decide(POLICY, GOOD)
    assert decision.verdict is Verdict.PASS
    assert decision.summary.startswith("PASS: shoploop:1; ready after 4.0 s")


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        ({"files_fault": "a.npz differs"}, "files_intact", "a.npz differs"),
        ({"ready_seconds": None, "start_fault": "port taken"}, "starts", "port taken"),
        ({"ready_seconds": 31.0}, "starts", "31.0 s"),
        ({"wrong_answers": ("user 1: expected 5, found 6",)}, "known_queries", "expected 5, found 6"),
        ({"latencies_ms": (1.0,) * 98 + (21.0, 30.0)}, "p99_latency_ms", "21.0"),
        ({"peak_memory_mib": 501.0}, "peak_memory_mib", "501.0"),
        (
            {"memory_growth_kib": 64.0},
            "memory_growth_kib",
            "64.0 KiB more held after each answer; the policy allows 24",
        ),
        ({"left_behind": 2}, "stops", "2 processes"),
        ({"still_shown": ("/v1/rank shows item 7",)}, "hides_what_is_hidden", "/v1/rank shows item 7"),
        ({"licences": {"planted": "GPL-3.0-only"}}, "licences_allowed", "planted (GPL-3.0-only)"),
        ({"secrets": ("app.py, line 2: a private key",)}, "no_secrets", "app.py, line 2: a private key"),
    ],
)
def test_decide__fails_with_words(change: dict[str, object], check: str, words: str) -> None:
    seen = replace(GOOD, **change)  # type: ignore[arg-type]
    verdict, message = verdict_of(seen, check)
    assert verdict is Verdict.FAIL
    assert words in message
    decision = decide(POLICY, seen)
    assert decision.verdict is Verdict.FAIL
    assert words in decision.summary


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"queries_asked": 2}, "known_queries"),
        ({"latencies_ms": ()}, "p99_latency_ms"),
        ({"peak_memory_mib": None}, "peak_memory_mib"),
        ({"memory_growth_kib": None}, "memory_growth_kib"),
        ({"still_shown": None}, "hides_what_is_hidden"),
    ],
)
def test_decide__too_little_is_no_evidence(change: dict[str, object], check: str) -> None:
    seen = replace(GOOD, **change)  # type: ignore[arg-type]
    assert verdict_of(seen, check)[0] is Verdict.INSUFFICIENT_EVIDENCE
    assert decide(POLICY, seen).verdict is Verdict.INSUFFICIENT_EVIDENCE


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 1.0), (99, 99.0), (100, 99.0), (101, 100.0), (400, 396.0)]
)
def test_percentile__is_the_smallest_that_99_in_100_do_not_exceed(count: int, expected: float) -> None:
    assert percentile(tuple(float(number) for number in range(count, 0, -1)), 0.99) == expected


def test_decide__dirty_code_is_released_only_where_the_policy_says_so() -> None:
    strict = POLICY.model_copy(update={"release_dirty": False})
    allowed, refused = (decide(policy, GOOD, "2 files not committed (a, b)") for policy in (POLICY, strict))
    assert (allowed.verdict, refused.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert "2 files not committed (a, b)" in allowed.checks[-1].message
    assert "commit and run again" in refused.summary
    assert decide(strict, GOOD).verdict is Verdict.PASS
