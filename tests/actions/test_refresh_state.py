"""Landed histories reach the endpoint's state, each purchase once."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.actions.fetch_champion import BUNDLE_IN_BENTO
from pipelines.actions.refresh_state import refresh_after, refresh_state
from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import schema
from pipelines.contracts.sifting import Sifted
from pipelines.features.history_view import IN_BUNDLE, VIEW
from pipelines.features.views import FOLDER
from pipelines.landing import Accepted, Batch, Landing
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release
from pipelines.releases.switch import Switch
from pipelines.settings import Settings
from serving.state import LoggedEvent
from serving.stores import open_state
from tests.conftest import Place

START = datetime(2017, 10, 2, 4, tzinfo=UTC)


def event(event_id: str, item_id: str, hour: int, basket: str, **more: Any) -> dict[str, Any]:
    moment = START + timedelta(hours=hour)
    who_and_what = {"user_id": "1", "item_id": item_id, "basket_id": basket, "quantity": 1.0, "value": 2.0}
    when = {"occurred_at": moment, "ingested_at": START + timedelta(days=7)}
    return {"event_id": event_id, "event_type": "purchase"} | who_and_what | when | more


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    wanted = schema(CONTRACTS[name])
    return pa.Table.from_pylist(
        [{column: row.get(column) for column in wanted.names} for row in rows], wanted
    )


def accept(
    landing: Landing, batch_id: str, posted_through: int | None = None, **tables: list[dict[str, Any]]
) -> None:
    """Accept rows as a batch, without judging them."""
    batch = Batch(
        batch_id,
        "posted" if posted_through else "weeks",
        START.isoformat(),
        "a test",
        None,
        None,
        posted_through,
    )
    nothing = pa.table({})
    landing.accept(
        Accepted(batch, {}), {name: sifted(table(name, rows), nothing) for name, rows in tables.items()}
    )


def sifted(rows: pa.Table, nothing: pa.Table) -> Sifted:
    fields = {"accepted": rows, "quarantined": nothing}
    others = {name: 0 for name in Sifted.__dataclass_fields__ if name not in fields}
    return Sifted(**fields, **others)  # type: ignore[arg-type]


@pytest.fixture
def here(tmp_path: Path, place: Place) -> Settings:
    return Settings(home=tmp_path, state_url=place.url)


@pytest.fixture
def landing(here: Settings) -> Landing:
    landing = Landing(here.landing)
    items = [
        {"item_id": item, "title": item, "recommendable": item != "fuel"} for item in ("10", "20", "fuel")
    ]
    rows = [
        event("e3", "20", 30, "b2"),
        event("e1", "20", 5, "b1"),
        event("e0", "10", 5, "b1"),
        event("e4", "fuel", 31, "b3"),
        event("e5", "10", 32, "b4", event_type="view"),
        event("e6", "unknown", 33, "b5"),
    ]
    accept(landing, "weeks-01-44", items=items, events=rows)
    return landing


def history_of(here: Settings, user_id: str) -> list[tuple[str, int]]:
    with closing(open_state(here.state_url, here.state_file)) as state:
        found = state.history(user_id)
    return list(zip(found.items.tolist(), found.baskets.tolist(), strict=True))


def post(here: Settings, event_id: str, item_id: str, hour: int) -> None:
    at = int((START + timedelta(hours=hour)).timestamp() * 1_000_000)
    body = {"user_id": "1", "item_id": item_id, "basket_id": event_id}
    with closing(open_state(here.state_url, here.state_file)) as state:
        asyncio.run(state.append([LoggedEvent(event_id, "purchase", at, body)]))


def test_refresh_state__keeps_recommendable_purchases_in_order_of_baskets(
    here: Settings, landing: Landing
) -> None:
    result = refresh_state(here)
    assert (result.shoppers, result.purchases, result.fresh_purchases) == (1, 3, 0)
    assert history_of(here, "1") == [("10", 0), ("20", 0), ("20", 1)]


def test_refresh_state__landed_posted_purchase_counts_once(here: Settings, landing: Landing) -> None:
    refresh_state(here)
    post(here, "posted-1", "10", 40)
    post(here, "posted-2", "20", 41)
    both = [("10", 0), ("20", 0), ("20", 1), ("10", 2), ("20", 3)]
    assert history_of(here, "1") == both
    accept(landing, "posted-1-1", posted_through=1, events=[event("posted-1", "10", 40, "posted-1")])
    assert refresh_state(here).fresh_purchases == 1
    assert history_of(here, "1") == both
    refresh_state(here)
    assert history_of(here, "1") == both


def test_refresh_state__event_that_landed_by_another_way_counts_once(
    here: Settings, landing: Landing
) -> None:
    refresh_state(here)
    post(here, "posted-1", "10", 40)
    accept(landing, "file-abc", events=[event("posted-1", "10", 40, "posted-1")])
    assert refresh_state(here).fresh_purchases == 0
    assert history_of(here, "1")[-1] == ("10", 2)


def test_refresh_state__quarantined_posted_purchase_is_forgotten(here: Settings, landing: Landing) -> None:
    refresh_state(here)
    post(here, "bad", "10", 40)
    accept(landing, "posted-1-1", posted_through=1)
    assert refresh_state(here).fresh_purchases == 0
    assert history_of(here, "1") == [("10", 0), ("20", 0), ("20", 1)]


def test_refresh_state__before_any_landing_knows_nobody(here: Settings) -> None:
    assert refresh_state(here).shoppers == 0


def released(ledger: Ledger, folder: Path, name: str, only: str | None) -> str:
    """A release whose bundle makes histories of one item alone, or as the checkout does; live if it is the first."""
    views = folder / name / BUNDLE_IN_BENTO / IN_BUNDLE
    views.mkdir(parents=True)
    sql = (FOLDER / f"{VIEW}.sql").read_text()
    own = sql if only is None else sql.replace("items.recommendable", f"items.item_id = '{only}'")
    (views / f"{VIEW}.sql").write_text(own)
    release = Release(
        f"r-44-{name * 8}", datetime.now(UTC), "run-1", "d", f"t:{name}", str(folder / name), name, "1", 44,
        "t", False, "d", "p", "l",
    )  # fmt: skip
    ledger.add_release(release)
    if ledger.live() is None:
        ledger.move(release.release_id, None, "release", "a test", "to have a champion", "d")
    return release.release_id


def test_refresh_state__uses_the_view_of_the_live_release_not_an_edit_that_no_gate_judged(
    here: Settings, landing: Landing, tmp_path: Path
) -> None:
    released(Ledger(here.ledger), tmp_path, "a", "20")

    refresh_state(here)

    assert history_of(here, "1") == [("20", 0), ("20", 1)]


def test_refresh_after__a_switch_to_a_release_with_another_view_makes_the_histories_anew(
    here: Settings, landing: Landing, tmp_path: Path
) -> None:
    ledger = Ledger(here.ledger)
    plain, other = (released(ledger, tmp_path, name, only) for name, only in (("a", None), ("b", "20")))
    refresh_state(here)
    assert len(history_of(here, "1")) == 3
    switch = Switch(other, plain, 2, 0.1, 0.1, 0.1, "0" * 64)
    ledger.move(other, plain, "release", "a test", "another view", "d")

    refresh_after(here, ledger, switch)

    assert history_of(here, "1") == [("20", 0), ("20", 1)]


def redemption(event_id: str, campaign: str | None, hour: int, **more: Any) -> dict[str, Any]:
    about = {"item_id": None, "basket_id": None, "quantity": None, "value": None, "campaign_id": campaign}
    return event(event_id, "", hour, "") | about | {"event_type": "redemption"} | more


def redeemed(here: Settings, user_id: str = "1") -> set[str]:
    with closing(open_state(here.state_url, here.state_file)) as state:
        return set(state.redeemed(user_id))


def test_refresh_state__knows_redemptions_landed_and_posted_each_once(
    here: Settings, landing: Landing
) -> None:
    rows = [redemption("r1", "18", 40), redemption("r2", "19", 41), redemption("r3", None, 42)]
    rows.append(redemption("r4", "20", 43, corrects="r2"))
    accept(landing, "weeks-45-45", events=rows)
    body = {"user_id": "1", "campaign_id": "21"}
    with closing(open_state(here.state_url, here.state_file)) as state:
        for name in ("good", "bad"):
            event = LoggedEvent(name, "redemption", 0, body | {"campaign_id": name})
            asyncio.run(state.append([event]))
    assert redeemed(here) == {"good", "bad"}
    refresh_state(here)
    assert redeemed(here) == {"18", "20", "good", "bad"}
    accept(landing, "posted-1-2", posted_through=2, events=[redemption("good", "good", 44)])
    refresh_state(here)
    assert redeemed(here) == {"18", "20", "good"}
    assert redeemed(here, "2") == set()
