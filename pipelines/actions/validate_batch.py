"""Judge what has landed: rows to quarantine, batches accepted or refused, then the shop clock moves."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.actions.land_batch import repair_clock
from pipelines.contracts import APPENDED, CONTRACTS, EVENTS, ITEMS
from pipelines.contracts.arrow import conform, schema
from pipelines.contracts.catalog_rules import unknown_item_faults
from pipelines.contracts.checkpoint import Subject, run_checkpoint
from pipelines.contracts.judging import disagreements, finding_faults, quarantine_faults
from pipelines.contracts.sifting import Sifted, asked_rows, sift
from pipelines.contracts.versions import check_versions, read_accepted
from pipelines.landing import Accepted, Batch, LandingError, replace_rows
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from pipelines.shop import OpenShop, open_shop
from pipelines.tables import read_json, read_table
from pipelines.week_counting import LandedWeeks
from pipelines.week_judging import week_faults
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
        check_versions(shop.landing.root / "accepted")
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
    closed = None
    if batch.kind == "resubmitted":
        closed = _taken_in(shop, batch, sifted)
        faults += [] if closed.num_rows else ["none of its rows keeps the rules"]
        sifted = {name: _left_where_they_are(result) for name, result in sifted.items()}
    if faults:
        note = shop.landing.refuse(batch, faults)
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise BatchRefusedError(
            f"batch {batch.batch_id} ({batch.source}) is refused and nothing of it was "
            f"accepted:\n{listed}\nwhat was accepted before is as it was; the batch is kept in "
            f"{note.with_suffix('')}; correct it at its source and land it again"
        )
    record = _record(batch, sifted)
    shop.landing.accept(record, sifted, closed)
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
    # A mended row that is bad as before is no duplicate of the one that it was to mend.
    bad = None if batch.kind == "resubmitted" else shop.landing.all_quarantined(name)
    return sift(table, CONTRACTS[name], datetime.fromisoformat(batch.as_of), known, bad)


def _taken_in(shop: OpenShop, batch: Batch, sifted: Mapping[str, Sifted]) -> pa.Table:
    """The quarantined rows that a resubmitted batch closes: those whose mended row is not bad again."""
    claims = shop.landing.claims(batch.batch_id)
    (result,) = sifted.values()
    places = pa.array(range(1, claims.num_rows + 1), pa.int64())
    again = result.quarantined["row"].combine_chunks()
    return claims.filter(pc.invert(pc.is_in(places, value_set=again)))


def _left_where_they_are(result: Sifted) -> Sifted:
    """A row that is bad again stays open as the row that it was: it never came in, and is not quarantined twice."""
    return replace(result, quarantined=result.quarantined.slice(0, 0))


def _empty(tables: Mapping[str, pa.Table], files: Mapping[str, Path]) -> list[str]:
    return [
        f"{name}: expected at least one row, found none in {files[name]}"
        for name, table in tables.items()
        if table.num_rows == 0
    ]


def _judged(
    shop: OpenShop, batch: Batch, tables: Mapping[str, pa.Table], sifted: Mapping[str, Sifted]
) -> list[str]:
    limit = (
        1.0 if batch.kind in ("posted", "resubmitted") else shop.params.validate_data.quarantine_share_limit
    )
    as_of = datetime.fromisoformat(batch.as_of)
    subjects = [
        Subject(CONTRACTS[name], asked, as_of, tolerated=limit, keys_are_unique=False)
        for name, table in tables.items()
        if (asked := asked_rows(table, CONTRACTS[name], sifted[name])).num_rows
    ]
    findings = run_checkpoint(batch.batch_id, subjects, shop.expectations, shop.data_docs)
    for name, result in sifted.items():
        _check_conservation(name, result, tables[name].num_rows)
    return [
        *quarantine_faults(sifted, limit),
        *_unknown_items(shop, batch, sifted),
        *finding_faults(findings),
        *disagreements(findings, sifted),
    ]


def _check_conservation(name: str, result: Sifted, rows_in: int) -> None:
    if result.counts["rows_in"] != rows_in:
        raise AssertionError(f"{name}: {rows_in} rows in, {result.counts} out: sifting lost or made rows")


def _volumes(shop: OpenShop, batch: Batch, sifted: Mapping[str, Sifted]) -> list[str]:
    if batch.week is None or batch.first_week is None or EVENTS.name not in sifted:
        return []
    landed = LandedWeeks(
        sifted[EVENTS.name].accepted,
        range(batch.first_week, batch.week + 1),
        shop.landing.event_files(),
        _catalog(shop, sifted),
    )
    return week_faults(landed, shop.calendar, shop.params.validate_data)


def _unknown_items(shop: OpenShop, batch: Batch, sifted: Mapping[str, Sifted]) -> list[str]:
    if batch.kind in ("posted", "resubmitted"):
        return []
    accepted = {name: result.accepted for name, result in sifted.items()}
    item_ids = _catalog(shop, sifted)["item_id"].combine_chunks()
    return unknown_item_faults(accepted, item_ids, shop.params.validate_data.unjoined_share_limit)


def _catalog(shop: OpenShop, sifted: Mapping[str, Sifted]) -> pa.Table:
    """Items as they will be once this batch is accepted."""
    path = shop.landing.reference_file(ITEMS.name)
    known = read_accepted(path, ITEMS) if path.exists() else schema(ITEMS).empty_table()
    return replace_rows(known, sifted[ITEMS.name].accepted, ITEMS.key) if ITEMS.name in sifted else known


def _counts(result: Sifted, repeats: int) -> dict[str, int]:
    """Rows that were left out while they were read came in, too, and said what a later row says."""
    counts = result.counts
    return counts | {name: counts[name] + repeats for name in ("rows_in", "duplicates")}


def _record(batch: Batch, sifted: Mapping[str, Sifted]) -> Accepted:
    appended = [sifted[contract.name].accepted for contract in APPENDED if contract.name in sifted]
    known = [moment for rows in appended if (moment := pc.min(rows["ingested_at"]).as_py())]
    return Accepted(
        batch=batch,
        counts={name: _counts(result, batch.repeats.get(name, 0)) for name, result in sifted.items()},
        violations={
            name: {rule: rows for rule, rows in result.violations.items() if rows}
            for name, result in sifted.items()
        },
        known_from=min(known).isoformat() if known else None,
    )
