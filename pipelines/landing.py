"""The landing store: raw batches as they came, accepted batches, quarantined rows, refused batches.

    raw/<batch_id>/<data set>.parquet, raw/<batch_id>/batch.json     landed, not yet judged
    raw/<batch_id>/claims/rows.parquet                               of a resubmitted batch: which quarantined
                                                                     row each of its rows mends
    accepted/<data set>/<batch_id>.parquet                           accepted rows of that batch, of the data
                                                                     sets whose rows are never replaced
    accepted/{items,users,promotions}.parquet                        current reference data
    accepted/batches/<batch_id>.json                                 its record, written last: a batch is
                                                                     accepted when this file is there
    quarantine/<data set>/<batch_id>.parquet                         quarantined rows with their reasons
    closed/<batch_id>.parquet                                        quarantined rows, of whichever batch, that
                                                                     this resubmitted batch took in
    refused/<batch_id>.json                                          why a batch was refused, beside its files

Every file is written whole or not at all, in that order, so an interruption at any point leaves what was
accepted before as it was, and repeating the step completes it.
"""

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa

from pipelines.contracts import APPENDED, CONTRACTS, EVENTS, REFERENCE, Contract
from pipelines.contracts.sifting import Sifted, quarantine_schema
from pipelines.contracts.versions import matching, read_accepted
from pipelines.tables import read_json, read_table, write_json, write_table

Kind = Literal["weeks", "posted", "file", "late", "backfill", "resubmitted"]
# What names a quarantined row: the data set, the batch in which it came, its place there.
CLAIM = pa.schema([("data_set", pa.string()), ("batch_id", pa.string()), ("row", pa.int64())])


class LandingError(Exception):
    """A batch cannot be landed or accepted; the message names what is at fault and the remedy."""


@dataclass(frozen=True)
class Batch:
    """What is known of a batch when it is landed.

    Attributes:
        batch_id: Names it, and so makes landing it twice a no-op.
        kind: Weeks of the source, events posted to the endpoint, a file, what came late about accepted weeks,
            accepted weeks read again, or quarantined rows that were mended.
        as_of: Its present (ISO 8601, UTC): no row may be later.
        week: The shop week that is complete once it is accepted; None when it completes none.
        first_week: Where its weeks begin; None when it completes none.
        posted_through: Of posted events, the last sequence number; else None.
        source: Where it came from, in words.
        late_through: Of what was read from the source, how far nothing about accepted weeks is left; else None.
        repeats: Rows by data set that were left out while they were read, since a later row has their key.
    """

    batch_id: str
    kind: Kind
    as_of: str
    source: str
    week: int | None = None
    first_week: int | None = None
    posted_through: int | None = None
    late_through: int | None = None
    repeats: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Accepted:
    """The record of an accepted batch.

    Attributes:
        batch: What was landed.
        counts: Per data set ``rows_in``, ``accepted``, ``quarantined`` and ``duplicates``.
        violations: Per data set, rows per broken rule; only rules that were broken.
        known_from: Earliest ``ingested_at`` of its accepted appended rows (ISO 8601, UTC), None when it has none.
    """

    batch: Batch
    counts: Mapping[str, Mapping[str, int]]
    violations: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    known_from: str | None = None


class Landing:
    """The landing store in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One writer at a time, over all processes; the kernel frees the lock of a killed one."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # What is there

    def accepted(self) -> list[Accepted]:
        """Records of the accepted batches, oldest present first."""
        records = [
            _accepted_from(read_json(path)) for path in (self.root / "accepted" / "batches").glob("*.json")
        ]
        return sorted(records, key=lambda record: (record.batch.as_of, record.batch.batch_id))

    def find_accepted(self, batch_id: str) -> Accepted | None:
        """The record of one batch, None when it is not accepted."""
        path = self._record(batch_id)
        return _accepted_from(read_json(path)) if path.exists() else None

    def pending(self) -> list[Batch]:
        """Batches landed and not yet judged, oldest present first."""
        batches = [Batch(**read_json(path)) for path in (self.root / "raw").glob("*/batch.json")]
        waiting = [batch for batch in batches if not self._record(batch.batch_id).exists()]
        return sorted(waiting, key=lambda batch: (batch.as_of, batch.batch_id))

    def last_week(self) -> int:
        """Last complete week among the accepted batches, 0 before any."""
        return max((record.batch.week or 0 for record in self.accepted()), default=0)

    def posted_through(self) -> int:
        """Last sequence number of the posted events that were accepted, 0 before any."""
        return max((record.batch.posted_through or 0 for record in self.accepted()), default=0)

    def late_through(self) -> int:
        """How far of what was read from the source nothing about accepted weeks is left, 0 before any."""
        return max((record.batch.late_through or 0 for record in self.accepted()), default=0)

    def event_files(self) -> list[Path]:
        """Files of accepted events, oldest present first."""
        return self.files_of(EVENTS.name)

    def files_of(self, name: str) -> list[Path]:
        """Files of the accepted rows of an appended data set, oldest present first."""
        files = [self.rows_of(name, record.batch.batch_id) for record in self.accepted()]
        return [path for path in files if path.exists()]

    def events_of(self, batch_id: str) -> Path:
        """Where the accepted events of a batch are."""
        return self.rows_of(EVENTS.name, batch_id)

    def rows_of(self, name: str, batch_id: str) -> Path:
        """Where the accepted rows that a batch brought to an appended data set are."""
        return self.root / "accepted" / name / f"{batch_id}.parquet"

    def reference_file(self, name: str) -> Path:
        """Where the current rows of a reference data set are."""
        return self.root / "accepted" / f"{name}.parquet"

    def quarantine_file(self, name: str, batch_id: str) -> Path:
        """Where the quarantined rows of a batch are."""
        return self.root / "quarantine" / name / f"{batch_id}.parquet"

    def quarantined(self, name: str, batch_id: str) -> pa.Table:
        """Quarantined rows of a batch, in the schema of ``quarantine_schema``; none where none is.

        Files of older versions may lack a column, which is null then.
        """
        path, wanted = self.quarantine_file(name, batch_id), quarantine_schema(CONTRACTS[name])
        if not path.exists():
            return wanted.empty_table()
        return _brought_to(_numbered_once(read_table(path)), wanted)

    def all_quarantined(self, name: str) -> pa.Table:
        """Quarantined rows of a data set from all accepted batches, oldest present first."""
        batch_ids = [record.batch.batch_id for record in self.accepted()]
        empty = quarantine_schema(CONTRACTS[name]).empty_table()
        return pa.concat_tables([empty, *(self.quarantined(name, batch_id) for batch_id in batch_ids)])

    def claims(self, batch_id: str) -> pa.Table:
        """Which quarantined rows the rows of a pending resubmitted batch mend, row by row; see ``CLAIM``."""
        path = self._claims(batch_id)
        return read_table(path) if path.exists() else CLAIM.empty_table()

    def closed(self, batch_id: str) -> pa.Table:
        """Which quarantined rows an accepted resubmitted batch took in; see ``CLAIM``."""
        path = self._closed(batch_id)
        return read_table(path) if path.exists() else CLAIM.empty_table()

    def refusal_note(self, batch_id: str) -> Path:
        """Where it is written why a batch was refused; its files are in the folder of the same name."""
        return self.root / "refused" / f"{batch_id}.json"

    def raw_files(self, batch_id: str) -> dict[str, Path]:
        """The landed files of a batch by data set."""
        folder = self.root / "raw" / batch_id
        return {path.stem: path for path in sorted(folder.glob("[!.]*.parquet"))}

    # What is done

    def land(self, batch: Batch, tables: Mapping[str, pa.Table], claims: pa.Table | None = None) -> None:
        """Write a batch as it came; ``batch.json`` last, so that a half-written one is not pending.

        Args:
            batch: What it is.
            tables: Its rows by data set.
            claims: Of a resubmitted batch: which quarantined row each of its rows mends.
        """
        folder = self.root / "raw" / batch.batch_id
        (folder / "batch.json").unlink(missing_ok=True)
        for stale in set(self.raw_files(batch.batch_id)) - set(tables):
            (folder / f"{stale}.parquet").unlink()
        for name, table in tables.items():
            write_table(folder / f"{name}.parquet", table)
        if claims is not None:
            write_table(self._claims(batch.batch_id), claims.cast(CLAIM))
        write_json(folder / "batch.json", asdict(batch))

    def accept(self, record: Accepted, sifted: Mapping[str, Sifted], closed: pa.Table | None = None) -> None:
        """Take a judged batch in: quarantine, what it closes, reference data, appended rows, and last the record.

        Before the record is there, nothing of it counts: neither its rows nor what it closes.

        Args:
            record: What is known of the batch.
            sifted: Where its rows went, by data set.
            closed: Of a resubmitted batch: the quarantined rows that are taken in with it.
        """
        for name, result in sifted.items():
            self._quarantine(name, record.batch.batch_id, result.quarantined)
        if closed is not None:
            write_table(self._closed(record.batch.batch_id), closed)
        for contract in REFERENCE:
            if contract.name in sifted:
                self._replace_rows(contract, sifted[contract.name].accepted)
        for contract in APPENDED:
            if contract.name in sifted:
                path = self.rows_of(contract.name, record.batch.batch_id)
                write_table(path, sifted[contract.name].accepted)
        write_json(self._record(record.batch.batch_id), asdict(record))
        shutil.rmtree(self.root / "raw" / record.batch.batch_id, ignore_errors=True)

    def refuse(self, batch: Batch, reasons: list[str]) -> Path:
        """Put a batch aside with the reasons; what was accepted stays as it is.

        Returns:
            The file that says why.
        """
        note = self.refusal_note(batch.batch_id)
        write_json(note, {"batch": asdict(batch), "reasons": reasons})
        kept = self.root / "refused" / batch.batch_id
        shutil.rmtree(kept, ignore_errors=True)
        (self.root / "raw" / batch.batch_id).rename(kept)
        return note

    def known_rows(self, name: str, batch: pa.Table) -> pa.Table:
        """Accepted rows of an appended data set that share a key with ``batch``, in the contract's schema."""
        contract = CONTRACTS[name]
        return matching(self.files_of(name), contract, batch.select([contract.key]))

    def _quarantine(self, name: str, batch_id: str, rows: pa.Table) -> None:
        """Keep quarantined rows; those of an earlier judgement that was interrupted must not stay."""
        path = self.quarantine_file(name, batch_id)
        if rows.num_rows:
            write_table(path, rows)
        else:
            path.unlink(missing_ok=True)

    def known_versions(self, batch: pa.Table) -> pa.Table:
        """Accepted events that share an id with ``batch``, and the accepted corrections of them."""
        files, ids = self.event_files(), batch["event_id"]
        first = matching(files, EVENTS, pa.table({EVENTS.key: ids}))
        return pa.concat_tables([first, matching(files, EVENTS, pa.table({"corrects": ids}))])

    def _replace_rows(self, contract: Contract, rows: pa.Table) -> None:
        path = self.reference_file(contract.name)
        if path.exists():
            rows = replace_rows(read_accepted(path, contract), rows, contract.key)
        write_table(path, rows.sort_by([(contract.key, "ascending")]))

    def _claims(self, batch_id: str) -> Path:
        return self.root / "raw" / batch_id / "claims" / "rows.parquet"

    def _closed(self, batch_id: str) -> Path:
        return self.root / "closed" / f"{batch_id}.parquet"

    def _record(self, batch_id: str) -> Path:
        return self.root / "accepted" / "batches" / f"{batch_id}.json"


def replace_rows(current: pa.Table, rows: pa.Table, key: str) -> pa.Table:
    """``current`` with ``rows`` put in, a row of an equal key replaced."""
    with duckdb.connect() as connection:
        connection.register("current_rows", current)
        connection.register("new_rows", rows)
        kept = connection.sql(f"from current_rows anti join new_rows using ({key})").to_arrow_table()
    return pa.concat_tables([kept.select(rows.column_names).cast(rows.schema), rows])


def _numbered_once(rows: pa.Table) -> pa.Table:
    """Older files counted posted bodies that were no events apart, so a number may be there twice."""
    if len(rows["row"].unique()) == rows.num_rows:
        return rows
    return rows.set_column(rows.column_names.index("row"), "row", pa.array(range(1, rows.num_rows + 1)))


def _brought_to(rows: pa.Table, wanted: pa.Schema) -> pa.Table:
    missing = {field.name: pa.nulls(rows.num_rows, field.type) for field in wanted}
    return pa.table(
        [rows[name] if name in rows.column_names else missing[name] for name in wanted.names], wanted
    )


def _accepted_from(raw: dict[str, Any]) -> Accepted:
    return Accepted(**{**raw, "batch": Batch(**raw["batch"])})
