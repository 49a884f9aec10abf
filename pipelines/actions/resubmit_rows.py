"""Land quarantined rows that a person mended: each closes the row it came from once it is accepted."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from pipelines.contracts import APPENDED, CONTRACTS, Contract
from pipelines.contracts.arrow import PROVENANCE
from pipelines.contracts.sifting import sift
from pipelines.landing import CLAIM, Batch
from pipelines.mending import LEARNED, Mended, MendingError, read_mending
from pipelines.quarantine import claimed_rows, closed_rows, counted, explain
from pipelines.settings import Settings
from pipelines.shop import OpenShop, open_shop

Claim = tuple[str, str, int]


@dataclass(frozen=True)
class ResubmitResult:
    """What became of a file of mended rows.

    Attributes:
        status: ``landed``, ``waiting`` (landed before and not judged yet) or ``nothing_to_land``.
        batch_id: The batch that waits to be judged, None when none does.
        still_bad: Of each row that still breaks a rule: file, row, the quarantined row, and why.
        message: What landed and what was passed over, a line each.
    """

    status: str
    batch_id: str | None
    still_bad: tuple[str, ...]
    message: str


def resubmit_rows(settings: Settings, file: Path, data_set: str = "events") -> ResubmitResult:
    """Land the mended rows of ``file`` that now keep every rule; the others stay in quarantine as they were.

    A row is learned of now: ``ingested_at`` is the shop's present. What was taken in before, or waits to be
    judged, is passed over, so that repeating it lands nothing twice.

    Raises:
        MendingError: The file cannot be used, or a row of it names no quarantined row; nothing was landed.
        StorageError: A file cannot be read or written.
    """
    if data_set not in CONTRACTS:
        raise MendingError(f"expected one of the data sets {', '.join(CONTRACTS)}, found {data_set!r}")
    shop = open_shop(settings)
    now = shop.clock.now()
    mended = read_mending(file, CONTRACTS[data_set], now)
    with shop.landing.lock():
        _require_quarantined(shop, mended, data_set, file)
        return _land(shop, mended, CONTRACTS[data_set], now)


def _require_quarantined(shop: OpenShop, mended: Mended, data_set: str, file: Path) -> None:
    """Refuse the file if a row of it names no quarantined row: what it would close, nobody can say."""
    there = {
        batch_id: set(shop.landing.quarantined(data_set, batch_id)["row"].to_pylist())
        for batch_id in set(mended.batch_ids)
        if shop.landing.find_accepted(batch_id)
    }
    for number, (batch_id, row) in enumerate(zip(mended.batch_ids, mended.places, strict=True), start=1):
        if batch_id not in there:
            raise MendingError(
                f"{file}: row {number}, column batch_id: expected a batch with {data_set} in quarantine, found "
                f"{batch_id!r}; `shoploop quarantine list` names them; nothing was resubmitted"
            )
        if row not in there[batch_id]:
            raise MendingError(
                f"{file}: row {number}: expected a row of {batch_id} that is in quarantine, found row {row}; `shoploop "
                f"quarantine show {batch_id} --data-set {data_set}` lists them; nothing was resubmitted"
            )


def _land(shop: OpenShop, mended: Mended, contract: Contract, now: datetime) -> ResubmitResult:
    claims = [(contract.name, *name) for name in zip(mended.batch_ids, mended.places, strict=True)]
    closed, claimed = closed_rows(shop.landing), claimed_rows(shop.landing)
    new = [number for number, claim in enumerate(claims) if claim not in closed and claim not in claimed]
    good, still_bad = _judged(shop, mended.rows.take(pa.array(new, pa.int64())), contract, now)
    lines = [
        *_passed_over(Counter(closed[claim] for claim in claims if claim in closed), "taken in before by"),
        *_passed_over(Counter(claimed[claim] for claim in claims if claim in claimed), "waiting already in"),
    ]
    batch_id = next((claimed[claim] for claim in claims if claim in claimed), None)
    status = "waiting" if batch_id else "nothing_to_land"
    if good:
        chosen = [new[place] for place in good]
        batch_id, status = (
            _batch_id(mended.rows.take(chosen), [claims[number] for number in chosen]),
            "landed",
        )
        batch = Batch(batch_id, "resubmitted", now.isoformat(), str(mended.file))
        table = pa.Table.from_pylist(
            [dict(zip(CLAIM.names, claims[number], strict=True)) for number in chosen], CLAIM
        )
        shop.landing.land(batch, {contract.name: mended.rows.take(chosen)}, table)
        lines.append(f"landed {counted(len(good), 'mended row')} of {contract.name} as {batch_id}")
    elif not batch_id:
        lines.append("nothing to land")
    return ResubmitResult(status, batch_id, still_bad, "\n".join(lines))


def _judged(
    shop: OpenShop, rows: pa.Table, contract: Contract, now: datetime
) -> tuple[list[int], tuple[str, ...]]:
    """Places (from 0) of the rows that keep every rule, and of each other row what is wrong with it."""
    known = shop.landing.known_rows(contract.name, rows) if contract in APPENDED else None
    bad = sift(rows, contract, now, known).quarantined.to_pylist()
    origins = rows["origin"].to_pylist()
    told = tuple(f"{origins[row['row'] - 1]}: {explain(row)}" for row in bad)
    return sorted(set(range(rows.num_rows)) - {row["row"] - 1 for row in bad}), told


def _passed_over(batches: Mapping[str, int], words: str) -> list[str]:
    return [f"{words} {batch_id}: {counted(rows)}" for batch_id, rows in sorted(batches.items())]


def _batch_id(rows: pa.Table, claims: list[Claim]) -> str:
    """The same rows mended in the same way have the same id, whenever they are resubmitted."""
    told = rows.drop_columns([name for name in (LEARNED, *PROVENANCE) if name in rows.column_names])
    content = repr((claims, told.to_pylist())).encode()
    return f"resubmitted-{hashlib.sha256(content).hexdigest()[:12]}"
