"""Batch rules: what makes a whole batch unfit, in words that say what was expected and found."""

from collections.abc import Mapping
from typing import Any

from pipelines.contracts.checkpoint import Finding
from pipelines.contracts.sifting import UNREADABLE, Sifted


def quarantine_faults(sifted: Mapping[str, Sifted], limit: float) -> list[str]:
    """Data sets of which more than ``limit`` of the rows are quarantined.

    Rows that the source's mapping set aside or declared duplicates were expected, and rows in quarantine already are
    known, so they count neither among the quarantined ones nor among the rows.
    """
    return [fault for name, result in sifted.items() if (fault := _quarantine_fault(name, result, limit))]


def _quarantine_fault(name: str, result: Sifted, limit: float) -> str:
    counts = result.counts
    bad = counts["quarantined"] - result.set_aside
    passed_over = result.set_aside + result.declared_duplicates + len(result.quarantined_before)
    rows = counts["rows_in"] - passed_over
    share = bad / max(rows, 1)
    if share <= limit:
        return ""
    unexpected = {
        rule: found for rule, found in result.violations.items() if not rule.startswith("declared: ")
    }
    worst = max(unexpected, key=lambda rule: unexpected[rule])
    return (
        f"{name}: expected at most {limit:.1%} of the rows quarantined, found {share:.1%} "
        f"({bad:,} of {rows:,}; most often {worst}: {_example(result, worst)})"
    )


def _example(result: Sifted, rule: str) -> str:
    """The first row that breaks ``rule``: where it came from, and what was found there."""
    for row in result.quarantined.slice(0, 10_000).to_pylist():
        if rule == UNREADABLE and f"{UNREADABLE}: " in row["reason"]:
            return f"{_place(row)}, {row['reason'].removeprefix(f'{UNREADABLE}: ')}"
        if rule in row["reason"].split("; "):
            about = [name for name in row if rule.startswith(f"{name}_")]
            found = f", column {about[0]}, found {row[about[0]]!r}" if about else ""
            return f"{_place(row)}{found}"
    return "see the quarantine"


def _place(row: Mapping[str, Any]) -> str:
    return row["origin"] or f"row {row['row']}"


def finding_faults(findings: list[Finding]) -> list[str]:
    """Rules that Great Expectations found broken beyond what is tolerated."""
    return [
        f"{finding.data_set}: Great Expectations found {finding.rule} broken in {finding.unexpected:,} rows"
        for finding in findings
        if not finding.kept
    ]


def disagreements(findings: list[Finding], sifted: Mapping[str, Sifted]) -> list[str]:
    """Rules on which the judge and the sieve count differently: then one declaration says two things."""
    faults = []
    for finding in findings:
        counted = sifted[finding.data_set].violations.get(finding.rule)
        if counted is not None and counted != finding.unexpected:
            faults.append(
                f"{finding.data_set}.{finding.rule}: Great Expectations counts {finding.unexpected:,} "
                f"broken rows, DuckDB {counted:,}; correct the rule in "
                f"pipelines/contracts/{finding.data_set}.py"
            )
    return faults
