"""What is served: a bundle, shoppers with their histories, and the moment at which they ask."""

import argparse
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines.actions.fetch_champion import BUNDLE_IN_BENTO
from pipelines.domain import BundleError
from pipelines.features.histories import Histories
from pipelines.ranking.bundle import bundle_sha256, read_manifest
from pipelines.ranking.catalog import Catalog
from pipelines.releases.ledger import Ledger
from pipelines.releases.rehearsal import set_clock
from pipelines.settings import Settings
from serving.sqlite_state import SqliteState
from serving.state import ShopperState
from serving.stores import open_state

HISTORIES = """
SELECT DISTINCT user_id, item_id, epoch_us(occurred_at) AS at,
  dense_rank() OVER (PARTITION BY user_id ORDER BY occurred_at, basket_id) - 1 AS basket
FROM read_parquet(?) WHERE event_type = 'purchase' ORDER BY user_id, basket, item_id
"""


class InputError(Exception):
    """There is nothing to serve; the message says what to give."""


@dataclass(frozen=True)
class Shop:
    """Files of a shop that is served for a while.

    Attributes:
        bundle: The model; only read.
        home: A folder of its own with ``state/shopper.db`` and ``clock.json``.
        users: Shoppers with a history.
        state_url: Where shoppers are, if not in ``home``.
    """

    bundle: Path
    home: Path
    users: list[str]
    state_url: str = ""

    @property
    def state_file(self) -> Path:
        """Histories and event log."""
        return self.home / "state" / "shopper.db"

    @property
    def environment(self) -> dict[str, str]:
        """Where a serving process finds all that."""
        return {
            "SHOPLOOP_BUNDLE": str(self.bundle),
            "SHOPLOOP_STATE_FILE": str(self.state_file),
            "SHOPLOOP_STATE_URL": self.state_url,
            "SHOPLOOP_CLOCK_FILE": str(self.home / "clock.json"),
        }

    def state(self) -> ShopperState:
        """Histories and event log, wherever they are."""
        return open_state(self.state_url, self.state_file)

    def facts(self) -> dict[str, Any]:
        """What a report says of the data."""
        catalog = Catalog.load(self.bundle)
        return {
            "path": str(self.bundle),
            "sha256": bundle_sha256(self.bundle),
            "week": read_manifest(self.bundle).get("week"),
            "users": len(self.users),
            "items": len(catalog.sellable),
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which shop to serve."""
    parser.add_argument("--bundle", type=Path, help="a model bundle; the live release's without")
    parser.add_argument(
        "--events", type=Path, help="accepted events (Parquet); the endpoint's own state without"
    )


def prepare(bundle: Path | None, events: Path | None, home: Path, settings: Settings) -> Shop:
    """Copy or make what is written to while serving; the originals stay as they are.

    Raises:
        InputError: There is no bundle or no history.
    """
    shop = Shop(_found_bundle(bundle, settings), home, [])
    shop.state_file.parent.mkdir(parents=True)
    if events is None:
        if not settings.state_file.is_file():
            raise InputError(f"{settings.state_file}: no state; give --events, or run `shoploop run` first")
        with (
            closing(sqlite3.connect(f"file:{settings.state_file}?mode=ro", uri=True)) as origin,
            closing(sqlite3.connect(shop.state_file)) as copy,
        ):
            origin.backup(copy)
        shutil.copyfile(settings.clock_file, home / "clock.json")
    else:
        histories = read_histories(events)
        state = SqliteState(shop.state_file)
        state.replace_histories(histories)
        state.close()
        set_clock(home, int(histories.times.max()) + 1)
    with closing(sqlite3.connect(shop.state_file)) as state_file:
        users = [user for (user,) in state_file.execute("SELECT user_id FROM histories ORDER BY user_id")]
    if not users:
        raise InputError(f"{events or settings.state_file}: no shopper bought anything; land a week first")
    return Shop(shop.bundle, home, users)


def read_histories(events: Path) -> Histories:
    """All purchases of a file of events.

    Raises:
        InputError: It is no such file, or holds no purchase.
    """
    try:
        columns = duckdb.sql(HISTORIES, params=[str(events)]).fetchnumpy()
    except duckdb.Error as error:
        raise InputError(f"{events}: no accepted events ({str(error).splitlines()[0]})") from error
    if not len(columns["user_id"]):
        raise InputError(f"{events}: no purchase in it; give the events of a landed week")
    return Histories.from_columns(
        columns["user_id"].astype(str), columns["item_id"], columns["at"], columns["basket"]
    )


def _found_bundle(given: Path | None, settings: Settings) -> Path:
    bundle = given
    if bundle is None:
        live = Ledger(settings.ledger).live()
        if live is None:
            raise InputError("No release is live; give --bundle, or run `shoploop run` first")
        bundle = live.bento_folder(settings.bentoml_home) / BUNDLE_IN_BENTO
    try:
        Catalog.load(bundle)
    except BundleError as error:
        raise InputError(f"--bundle: {error}") from error
    return bundle.resolve()
