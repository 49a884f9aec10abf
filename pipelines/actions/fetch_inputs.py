"""Bring the accepted data into a workspace, as inputs of the graph."""

import os
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pipelines.contracts import APPENDED, CONTRACTS, REFERENCE, Contract
from pipelines.contracts.arrow import schema
from pipelines.contracts.versions import check_versions
from pipelines.landing import Accepted, LandingError
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from pipelines.shop import OpenShop, open_shop
from pipelines.tables import write_json, write_table

NO_ROWS = "none.parquet"


@dataclass(frozen=True)
class FetchResult:
    """What was fetched.

    Attributes:
        week: Last complete week: the week that a training run decides on.
        as_of: Its end (ISO 8601, UTC).
        batch_ids: Batches of which something was known then.
        message: The same in a sentence.
    """

    week: int
    as_of: str
    batch_ids: tuple[str, ...]
    message: str


def fetch_inputs(settings: Settings, workspace: Path) -> FetchResult:
    """Write ``data/inputs/`` of ``workspace``: what was accepted, reference data and ``clock.json``.

    Batches that became known only after the last complete week stay out: they cannot change what is learned
    for it, so they must not make the graph run anew.

    Raises:
        LandingError: No week was accepted yet.
        ContractError: Something was accepted under a version of its contract that this code cannot read.
    """
    shop = open_shop(settings, workspace)
    with shop.landing.lock():
        check_versions(shop.landing.root / "accepted")
        result = _fetch(shop, workspace / "data" / "inputs")
    write_result(workspace, "fetch_inputs", asdict(result))
    return result


def _fetch(shop: OpenShop, inputs: Path) -> FetchResult:
    week = shop.landing.last_week()
    if week == 0:
        raise LandingError("expected an accepted week, found none; land the history first: `shoploop land`")
    as_of = shop.calendar.end(week)
    batch_ids = known_batches(shop, as_of)
    for contract in APPENDED:
        _link_appended(shop, inputs / contract.name, contract, batch_ids)
    for contract in REFERENCE:
        _link_reference(shop, inputs, contract.name)
    moment = as_of.strftime("%Y-%m-%dT%H:%M:%SZ")
    write_json(inputs / "clock.json", {"week": week, "as_of": moment})
    return FetchResult(week, moment, batch_ids, f"inputs of week {week}: {', '.join(batch_ids)}")


def known_batches(shop: OpenShop, as_of: datetime) -> tuple[str, ...]:
    """Accepted batches of which something was known at ``as_of``, oldest present first."""
    return tuple(record.batch.batch_id for record in shop.landing.accepted() if known_by(record, as_of))


def known_by(record: Accepted, as_of: datetime) -> bool:
    """Whether any event, or other appended row, of a batch was known at ``as_of``."""
    return record.known_from is not None and datetime.fromisoformat(record.known_from) <= as_of


def _link_appended(shop: OpenShop, folder: Path, contract: Contract, batch_ids: tuple[str, ...]) -> None:
    """The rows of each batch in a file of its own; without any, a file without rows: a folder is never empty."""
    files = {f"{batch_id}.parquet": shop.landing.rows_of(contract.name, batch_id) for batch_id in batch_ids}
    found = {name: path for name, path in files.items() if path.exists()}
    folder.mkdir(parents=True, exist_ok=True)
    for stale in set(os.listdir(folder)) - (set(found) or {NO_ROWS}):
        (folder / stale).unlink()
    for name, path in found.items():
        link(path, folder / name)
    if not found:
        write_table(folder / NO_ROWS, schema(contract).empty_table())


def _link_reference(shop: OpenShop, inputs: Path, name: str) -> None:
    source = shop.landing.reference_file(name)
    if source.exists():
        link(source, inputs / f"{name}.parquet")
    else:
        write_table(inputs / f"{name}.parquet", schema(CONTRACTS[name]).empty_table())


def link(source: Path, target: Path) -> None:
    """A hard link, or a copy where the file system cannot; replaced whole."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    partial.replace(target)
    # Renaming onto another name of the same file does nothing and leaves the partial name behind.
    partial.unlink(missing_ok=True)
