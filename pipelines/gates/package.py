"""The package gate: does the built Bento start, answer as it did offline, fast and small enough?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipelines.domain import Check, Decision, Verdict
from pipelines.gates.contents import licences_allowed, no_secrets
from pipelines.gates.quality import worst
from pipelines.params import DecidePackage


@dataclass(frozen=True)
class Rehearsal:
    """What happened when the Bento was started for real.

    Attributes:
        tag: The Bento.
        files_fault: What is wrong with its files, empty for nothing.
        start_fault: Why it did not become ready, empty when it did.
        ready_seconds: How long it took, None when it never was.
        queries_asked: Known queries that were answered.
        wrong_answers: One sentence for each answer that differs from the offline one, also of the timed requests.
        latencies_ms: Of each timed request.
        peak_memory_mib: Most that all its processes held together.
        memory_growth_kib: How much more they held after the timed requests than before, per request.
        still_shown: One sentence for each list that held an item which had been hidden, None where none was asked.
        left_behind: Processes that were still there after it was asked to stop.
        licences: Of each library that its lock names, empty where it is not known.
        secrets: One sentence for each secret in its files.
    """

    tag: str
    files_fault: str = ""
    start_fault: str = ""
    ready_seconds: float | None = None
    queries_asked: int = 0
    wrong_answers: tuple[str, ...] = ()
    latencies_ms: tuple[float, ...] = ()
    peak_memory_mib: float | None = None
    memory_growth_kib: float | None = None
    still_shown: tuple[str, ...] | None = None
    left_behind: int = 0
    licences: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


def decide(policy: DecidePackage, seen: Rehearsal, dirty: str = "") -> Decision:
    """Judge a Bento by its rehearsal; what could not be measured because it did not start is no evidence.

    Args:
        policy: The limits.
        seen: The rehearsal.
        dirty: What of the run's code is in no commit, in words; empty for nothing.
    """
    checks = (
        _words(
            "files_intact", seen.files_fault, "every file of the bundle has the sha256 it was sealed with"
        ),
        _starts(policy, seen),
        _known_queries(policy, seen),
        _limit(
            "p99_latency_ms",
            percentile(seen.latencies_ms, 0.99),
            policy.p99_ms_limit,
            "ms at the 99th percentile",
        ),
        _limit("peak_memory_mib", seen.peak_memory_mib, policy.memory_mib_limit, "MiB at most"),
        _keeps_no_memory(policy, seen.memory_growth_kib),
        _hides(seen.still_shown),
        _words(
            "stops",
            f"{seen.left_behind} processes were left after SIGTERM" if seen.left_behind else "",
            "no process was left after SIGTERM",
        ),
        licences_allowed(policy, seen.licences),
        no_secrets(seen.secrets),
        _committed(policy, dirty),
    )
    verdict = worst([check.verdict for check in checks])
    return Decision("package", verdict, checks, _summary(seen, verdict, checks))


def percentile(values: tuple[float, ...], share: float) -> float | None:
    """The smallest value that at least ``share`` of them do not exceed; None of nothing."""
    if not values:
        return None
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _words(name: str, fault: str, good: str) -> Check:
    return Check(name, Verdict.FAIL if fault else Verdict.PASS, None, None, fault or good)


def _starts(policy: DecidePackage, seen: Rehearsal) -> Check:
    limit = policy.ready_seconds_limit
    if seen.ready_seconds is None:
        fault = seen.start_fault or "it was not started"
        return Check("starts", Verdict.FAIL, None, limit, f"it never became ready: {fault}")
    message = f"ready after {seen.ready_seconds:.1f} s; the policy allows {limit:g} s"
    verdict = Verdict.PASS if seen.ready_seconds <= limit else Verdict.FAIL
    return Check("starts", verdict, seen.ready_seconds, limit, message)


def _known_queries(policy: DecidePackage, seen: Rehearsal) -> Check:
    asked, needed, wrong = seen.queries_asked, policy.known_queries_min, len(seen.wrong_answers)
    if wrong:
        shown = "; ".join(seen.wrong_answers[:3])
        verdict, message = Verdict.FAIL, f"{wrong} answers differ from the offline ones: {shown}"
    elif asked < needed:
        verdict = Verdict.INSUFFICIENT_EVIDENCE
        message = f"{asked} known queries were answered; the policy asks for {needed}"
    else:
        verdict, message = Verdict.PASS, f"{asked} known queries were answered as offline, items and scores"
    return Check("known_queries", verdict, float(max(asked - wrong, 0)), float(needed), message)


def _hides(still_shown: tuple[str, ...] | None) -> Check:
    name = "hides_what_is_hidden"
    if still_shown is None:
        words = "not asked, since it did not answer"
        return Check(name, Verdict.INSUFFICIENT_EVIDENCE, None, None, words)
    return _words(name, "; ".join(still_shown[:3]), "an item that was hidden was in no list from then on")


def _keeps_no_memory(policy: DecidePackage, growth: float | None) -> Check:
    limit = policy.memory_growth_kib_limit
    check = _limit("memory_growth_kib", growth, limit, "KiB more held after each answer")
    if check.verdict is not Verdict.FAIL:
        return check
    advice = "look for what the serving code keeps of every request, or a cache without a bound"
    return replace(check, message=f"{check.message}: {advice}")


def _committed(policy: DecidePackage, dirty: str) -> Check:
    if dirty and not policy.release_dirty:
        dirty = (
            f"the run is dirty, {dirty}: commit and run again, or allow it by release_dirty in params.yaml"
        )
        return _words("code_is_committed", dirty, "")
    good = f"the run is dirty, {dirty}; the policy allows it" if dirty else "the code is that of a commit"
    return _words("code_is_committed", "", good)


def _limit(name: str, observed: float | None, limit: float, unit: str) -> Check:
    if observed is None:
        return Check(
            name, Verdict.INSUFFICIENT_EVIDENCE, None, limit, "not measured, since it did not answer"
        )
    verdict = Verdict.PASS if observed <= limit else Verdict.FAIL
    return Check(name, verdict, observed, limit, f"{observed:.1f} {unit}; the policy allows {limit:g}")


def _summary(seen: Rehearsal, verdict: Verdict, checks: tuple[Check, ...]) -> str:
    if verdict is Verdict.PASS:
        return f"PASS: {seen.tag}; " + "; ".join(check.message for check in checks[1:5])
    failed = "; ".join(check.message for check in checks if check.verdict is verdict)
    return f"{verdict}: {seen.tag}; {failed}"
