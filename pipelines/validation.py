"""Judging all accepted data together, as known at a moment: pure functions of the stage ``validate_data``."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import CONTRACTS, Contract
from pipelines.contracts.catalog_rules import unjoined_rows, unknown_item_faults
from pipelines.contracts.checkpoint import Finding, Subject
from pipelines.contracts.judging import finding_faults
from pipelines.params import ValidateData
from pipelines.volumes import week_column
from pipelines.weeks import ShopCalendar


def known_at(events: pa.Table, as_of: datetime) -> pa.Table:
    """Rows that had happened and were known at ``as_of``.

    Events that were corrected by then stay: at an earlier moment, such as the start of the validation week, the
    correction may not have been known. Who builds something as known at a moment leaves them out
    (:func:`pipelines.contracts.corrections.without_corrected`).
    """
    moment = pa.scalar(as_of, events["occurred_at"].type)
    return events.filter(
        pc.and_(pc.less(events["occurred_at"], moment), pc.less_equal(events["ingested_at"], moment))
    )


def in_order(table: pa.Table, contract: Contract) -> pa.Table:
    """Rows in the contract's order, which is total."""
    return table.sort_by([(name, "ascending") for name in contract.sort_by])


def subjects(tables: Mapping[str, pa.Table], as_of: datetime) -> list[Subject]:
    """What Great Expectations judges: every accepted row keeps every rule, and keys are unique."""
    judged = [name for name, table in tables.items() if table.num_rows or name in ("events", "items")]
    return [Subject(CONTRACTS[name], tables[name], as_of) for name in judged]


def catalog_faults(
    tables: Mapping[str, pa.Table], calendar: ShopCalendar, week: int, limit: float
) -> list[str]:
    """Whether the catalog knows what was done in one week: an old one knows most of the year, and not what is new."""
    events = tables["events"]
    newest = events.filter(pc.equal(week_column(events, calendar), week)) if events.num_rows else events
    item_ids = tables["items"]["item_id"].combine_chunks()
    return unknown_item_faults({"events": newest}, item_ids, limit, f" of week {week}")


def report(
    tables: Mapping[str, pa.Table],
    findings: list[Finding],
    weeks: Mapping[int, int],
    of_the_week: list[str],
    limits: ValidateData,
    decision_week: int,
) -> dict[str, Any]:
    """What ``reports/validation.json`` says; ``faults`` is empty when all rules are kept.

    Args:
        tables: Validated data by data set.
        findings: Of Great Expectations over them.
        weeks: Events per shop week.
        of_the_week: What makes the decision week unfit.
        limits: Limits of the rules across data sets.
        decision_week: Last complete week.
    """
    item_ids = tables["items"]["item_id"].combine_chunks()
    faults = [
        *finding_faults(findings),
        *of_the_week,
        *unknown_item_faults(tables, item_ids, limits.unjoined_share_limit),
    ]
    return {
        "week": decision_week,
        "rows": {name: table.num_rows for name, table in tables.items()},
        "unjoined": {
            name: unjoined_rows(name, table, item_ids)
            for name, table in tables.items()
            if CONTRACTS[name].item_column
        },
        "events_per_week": {f"{week:03d}": count for week, count in sorted(weeks.items())},
        "rules": [asdict(finding) for finding in findings],
        "faults": faults,
    }
