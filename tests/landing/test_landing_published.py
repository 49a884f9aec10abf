"""A published data set lands like any other source."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from declared_shop import with_shop

from pipelines.actions.land_batch import LandRequest, land_batch
from pipelines.actions.validate_batch import validate_batch
from pipelines.settings import CHECKOUT, Settings, settings
from pipelines.shop import open_shop
from pipelines.tables import read_table

HEAD = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("SHOPLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SHOPLOOP_CHECKOUT", str(tmp_path))
    settings.cache_clear()
    params = (CHECKOUT / "params.yaml").read_text()
    wanted = {"source": "gifts", "timezone": "Europe/London", "first_week": '"2010-11-29"'}
    (tmp_path / "params.yaml").write_text(with_shop(params, wanted | {"history_until_week": "null"}))
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "gifts.yaml").write_text(
        "name: gifts\nkind: published\nlocation: uci_online_retail:here\n"
    )
    (tmp_path / "here").mkdir()
    yield settings()
    settings.cache_clear()


def lines() -> list[str]:
    """60 sales a day from Wednesday on, a repeated line, a return, a cancellation; then a sale of the next week."""
    sold = [
        f"{day}{number},A{number % 9},ARTICLE {number % 9},2,12/{day}/2010 {9 + number % 8}:05,1.25,C{number % 11},UK"
        for day in range(1, 6)
        for number in range(10, 70)
    ]
    messy = [
        sold[0],
        "990,A1,ARTICLE 1,-1,12/4/2010 10:00,1.25,C1,UK",
        "C991,A1,ARTICLE 1,-1,12/4/2010 10:05,1.25,C1,UK",
    ]
    return [HEAD, *sold, *messy, "999,A1,ARTICLE 1,1,12/6/2010 9:00,1.25,C1,UK"]


def test_published__week_lands_with_every_row_accounted_for(installed: Settings, tmp_path: Path) -> None:
    (tmp_path / "here" / "data.csv").write_text("\n".join(lines()) + "\n")

    landed = land_batch(installed, LandRequest())
    judged = validate_batch(installed)

    (record,) = judged.batches
    assert landed.batch_ids == (record.batch.batch_id,)
    # 300 sales, one twice, one returned, one cancelled; the sale of the week that is not over waits.
    assert dict(record.counts["events"]) == {
        "rows_in": 303,
        "accepted": 301,
        "quarantined": 1,
        "duplicates": 1,
    }
    files = open_shop(installed).landing.event_files()
    events = pa.concat_tables([read_table(path) for path in files]).to_pylist()
    assert {row["event_type"] for row in events} == {"purchase", "return"}
    assert sum(row["value"] for row in events if row["event_type"] == "purchase") == 300 * 2.5
    assert not land_batch(installed, LandRequest()).batch_ids, "landing again adds nothing"
