"""Judge what has landed: rows to quarantine, batches accepted or refused, then the shop clock moves."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.actions.land_batch import repair_clock
from pipelines.contracts import APPENDED, CONTRACTS, EVENTS
from pipelines.contracts.arrow import conform
from pipelines.contracts.checkpoint import Subject, run_checkpoint
from pipelines.contracts.judging import disagreements, finding_faults, quarantine_faults, volume_faults
from pipelines.contracts.sifting import Sifted, sift, without_faults
from pipelines.landing import Accepted, Batch, LandingError
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from pipelines.shop import OpenShop, open_shop
from pipelines.tables import read_json, read_table
from pipelines.volumes import week_counts
from pipelines.workspace import RUN_FOLDER


class BatchRefusedError(Exception):
    """A batch breaks a batch rule; the message names each fault, and nothing of it was accepted."""


@dataclass(frozen=True)
class ValidateResult:
    """What was judged.

    Attributes:
        status: ``accepted`` or ``nothing_pending``.
        batches: Records of the batches accepted now.
        week: Last complete week of the shop.
        message: The same in words, a line per batch.
        data_docs: The page of Great Expectations' findings that a person opens.
    """

    status: str
    batches: tuple[Accepted, ...]
    week: int
    message: str
    data_docs: str


def validate_batch(settings: Settings, workspace: Path | None = None) -> ValidateResult:
    """Judge every pending batch in order.

    With a workspace the result is also in its ``run/validate_batch.json``.

    Raises:
        BatchRefusedError: A batch breaks a batch rule, or did when this run judged it before. Batches before
        it are accepted; those after it wait.
        ContractError, StorageError: A landed file cannot be used or the disk is full; repeat after the
        remedy.
    """
    shop = open_shop(settings, workspace)
    with shop.landing.lock():
        _require_landed(shop, workspace)
        records = tuple(judge_batch(shop, batch) for batch in shop.landing.pending())
        repair_clock(shop)
        week = shop.landing.last_week()
    result = ValidateResult(
        status="accepted" if records else "nothing_pending",
        batches=records,
        week=week,
        message="\n".join(map(describe, records)) or f"nothing pending: the last accepted week is {week}",
        data_docs=str(shop.data_docs / "index.html"),
    )
    if workspace is not None:
        write_result(workspace, "validate_batch", asdict(result))
    return result


def judge_batch(shop: OpenShop, batch: Batch) -> Accepted:
    """Accept or refuse one batch."""
    files = shop.landing.raw_files(batch.batch_id)
    tables = {name: _landed(name, path) for name, path in files.items()}
    sifted = {name: _sift(shop, name, table, batch) for name, table in tables.items()}
    faults = [*_empty(tables, files), *_judged(shop, batch, tables, sifted), *_volumes(shop, batch, sifted)]
    if faults:
        note = shop.landing.refuse(batch, faults)
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise BatchRefusedError(
            f"batch {batch.batch_id} ({batch.source}) is refused and nothing of it was "
            f"accepted:\n{listed}\nwhat was accepted before is as it was; the batch is kept in "
            f"{note.with_suffix('')}; correct it at its source and land it again"
        )
    record = _record(batch, sifted)
    shop.landing.accept(record, sifted)
    if batch.week is not None:
        shop.clock.advance(batch.week, shop.calendar.end(batch.week))
    return record


def describe(record: Accepted) -> str:
    """One accepted batch in one line."""
    parts = [
        f"{name} {counts['accepted']:,} of {counts['rows_in']:,} accepted, {counts['quarantined']:,} "
        f"quarantined, {counts['duplicates']:,} duplicates"
        for name, counts in record.counts.items()
    ]
    return f"{record.batch.batch_id}: {'; '.join(parts)}"


def _require_landed(shop: OpenShop, workspace: Path | None) -> None:
    """A refused batch was moved away: judging nothing in its place would look like an acceptance."""
    landed = workspace / RUN_FOLDER / "land_batch.json" if workspace else None
    if landed is None or not landed.is_file():
        return
    waiting = {batch.batch_id for batch in shop.landing.pending()}
    for batch_id in read_json(landed)["batch_ids"]:
        if batch_id not in waiting and shop.landing.find_accepted(batch_id) is None:
            raise BatchRefusedError(
                f"batch {batch_id} was refused before and is not there to be judged again: "
                f"{shop.landing.refusal_note(batch_id)} says why; correct it at its source, then clear "
                "land_batch of this run, which lands it again"
            )


def _landed(name: str, path: Path) -> pa.Table:
    if name not in CONTRACTS:
        raise LandingError(
            f"{path}: expected a file of one of the data sets {', '.join(CONTRACTS)}, found {name}; land the "
            "batch again"
        )
    return conform(read_table(path), CONTRACTS[name], str(path))


def _sift(shop: OpenShop, name: str, table: pa.Table, batch: Batch) -> Sifted:
    is_appended = any(contract.name == name for contract in APPENDED)
    known = shop.landing.known_rows(name, table) if is_appended else None
    return sift(table, CONTRACTS[name], datetime.fromisoformat(batch.as_of), known)


def _empty(tables: Mapping[str, pa.Table], files: Mapping[str, Path]) -> list[str]:
    return [
        f"{name}: expected at least one row, found none in {files[name]}"
        for name, table in tables.items()
        if table.num_rows == 0
    ]


def _judged(
    shop: OpenShop, batch: Batch, tables: Mapping[str, pa.Table], sifted: Mapping[str, Sifted]
) -> list[str]:
    limit = 1.0 if batch.kind == "posted" else shop.params.validate_data.quarantine_share_limit
    as_of = datetime.fromisoformat(batch.as_of)
    subjects = [
        Subject(CONTRACTS[name], readable, as_of, tolerated=limit, keys_are_unique=False)
        for name, table in tables.items()
        if (readable := without_faults(table, CONTRACTS[name])).num_rows
    ]
    findings = run_checkpoint(batch.batch_id, subjects, shop.expectations, shop.data_docs)
    for name, result in sifted.items():
        _check_conservation(name, result, tables[name].num_rows)
    return [
        *quarantine_faults(sifted, limit),
        *finding_faults(findings),
        *disagreements(findings, sifted),
    ]


def _check_conservation(name: str, result: Sifted, rows_in: int) -> None:
    if result.counts["rows_in"] != rows_in:
        raise AssertionError(f"{name}: {rows_in} rows in, {result.counts} out: sifting lost or made rows")


def _volumes(shop: OpenShop, batch: Batch, sifted: Mapping[str, Sifted]) -> list[str]:
    if batch.week is None or batch.first_week is None or EVENTS.name not in sifted:
        return []
    limits = shop.params.validate_data
    accepted = [read_table(path).select(["occurred_at"]) for path in shop.landing.event_files()]
    counts = week_counts(
        pa.concat_tables([*accepted, sifted[EVENTS.name].accepted.select(["occurred_at"])]), shop.calendar
    )
    weeks = range(batch.first_week, batch.week + 1)
    return volume_faults(counts, weeks, limits.week_volume_share_low, limits.week_volume_share_high)


def _record(batch: Batch, sifted: Mapping[str, Sifted]) -> Accepted:
    events = sifted[EVENTS.name].accepted if EVENTS.name in sifted else None
    earliest = pc.min(events["ingested_at"]).as_py() if events is not None else None
    return Accepted(
        batch=batch,
        counts={name: result.counts for name, result in sifted.items()},
        violations={
            name: {rule: rows for rule, rows in result.violations.items() if rows}
            for name, result in sifted.items()
        },
        known_from=earliest.isoformat() if earliest else None,
    )
