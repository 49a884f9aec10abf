"""Every view on DuckDB and on Spark, from one real shop: the same rows.

``SHOPLOOP_PARITY=full pytest --timeout=0 tests/features/test_engine_parity.py`` compares all households of
Complete Journey instead of a sample, which takes minutes.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.evaluation.splits import with_weeks
from pipelines.features.build import build_views
from pipelines.features.engines import Build, open_engine
from pipelines.features.spark import for_spark
from pipelines.features.spark_session import SparkPlace, require_java
from pipelines.features.views import FeatureError
from pipelines.params import load_params
from pipelines.settings import CHECKOUT
from pipelines.sources.complete_journey import CompleteJourney
from pipelines.weeks import ShopCalendar, to_micros
from tests.features.tiny_shop import AT, WEEK, bought, promoted, redeemed, write_shop

PARAMS = load_params(CHECKOUT / "params.yaml")
VIEWS = PARAMS.build_features.views
CALENDAR = ShopCalendar.of(PARAMS.shop)
FULL = os.environ.get("SHOPLOOP_PARITY") == "full"
LAST_WEEK = 44 if FULL else 30
ONE_IN, SEED = (1, 7) if FULL else (40, 7)
RELATIVE = 1e-9
FROM_EVENTS = ("basket_lines", "households", "promotion_spans", "household_promotions")
"""Views that read events and promotions themselves, and those that they need."""


@dataclass(frozen=True)
class Built:
    """Where each engine wrote."""

    duckdb: Path
    spark: Path


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    try:
        require_java()
    except FeatureError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        # Short work is done before the second compiler pays.
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
        yield from _opened(SparkPlace("local[2]", "2g", tmp_path_factory.mktemp("spark")))


def _opened(place: SparkPlace) -> Iterator[Build]:
    with open_engine("spark", place) as build:
        yield build
    assert list(place.scratch.iterdir()) == []


@pytest.fixture(scope="module")
def built(spark: Build, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("parity")
    write_sample(folder)
    out = Built(folder / "duckdb", folder / "spark")
    at = to_micros(CALENDAR.end(LAST_WEEK))
    for build, target in ((build_views, out.duckdb), (spark, out.spark)):
        build(
            VIEWS,
            folder / "events.parquet",
            folder / "items.parquet",
            at,
            LAST_WEEK + 1,
            target,
            users=folder / "users.parquet",
            promotions=folder / "promotions.parquet",
        )
    return out


def write_sample(folder: Path) -> None:
    """Complete Journey to the last week, of one household in ``ONE_IN``, chosen by a hash with a seed."""
    tables = dict(CompleteJourney(CALENDAR).read_weeks(1, LAST_WEEK))
    events = tables["events"]
    chosen = (
        f"SELECT * FROM events WHERE hash(user_id || '{SEED}') % {ONE_IN} = 0 ORDER BY occurred_at, event_id"
    )
    tables["events"] = with_weeks(duckdb.sql(chosen).to_arrow_table().cast(events.schema), CALENDAR)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")


def differences(left: pa.Table, right: pa.Table) -> list[str]:
    """Columns in which two tables differ, floats by more than ``RELATIVE``."""
    if left.schema != right.schema or left.num_rows != right.num_rows:
        return [f"{left.num_rows} rows of {left.schema}", f"{right.num_rows} rows of {right.schema}"]
    return [name for name in left.column_names if not same(left[name], right[name])]


def same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(left.type):
        return bool(left.equals(right))
    gaps = left.is_null().equals(right.is_null())
    return gaps and np.allclose(numbers(left), numbers(right), rtol=RELATIVE, atol=0, equal_nan=True)


def numbers(column: pa.ChunkedArray) -> Any:
    return pc.fill_null(column, float("nan")).to_numpy()


@pytest.mark.parametrize("view", VIEWS)
def test_engines__agree_on_a_real_shop(built: Built, view: str) -> None:
    ours, theirs = (pq.read_table(folder / f"{view}.parquet") for folder in (built.duckdb, built.spark))
    assert ours.num_rows > 0
    assert differences(ours, theirs) == []


def test_engines__agree_on_late_corrected_and_empty_cells(spark: Build, tmp_path: Path) -> None:
    events = [
        bought("ann", "b1", "milk", 3, event_id="first"),
        bought("ann", "b1", "eggs", 3, learned=2, event_id="second", corrects="first"),
        bought("ann", "b1", "bread", 3, learned=1, event_id="third", corrects="second"),
        bought("ann", "b2", "milk", 2, learned=-1, event_id="late"),
        bought("ann", None, "milk", 9, event_id="before what is learned from"),
        bought("bob", None, "milk", 2.5, value=None, discount=0.1),
        bought("bob", None, "bread", 2.5),
        bought("bob", "b4", "fuel", 1),
        redeemed("bob", "c1", "k1", 1.5),
    ]
    here = write_shop(tmp_path, events, [promoted("milk", 3, 2), promoted("milk", 2.5, -1, "c2")])
    for name, build in (("duckdb", build_views), ("spark", spark)):
        about = {"users": here.users, "promotions": here.promotions, "from_week": WEEK - 6}
        build(FROM_EVENTS, here.events, here.items, AT, WEEK, tmp_path / name, **about)

    lines = pq.read_table(tmp_path / "spark/basket_lines.parquet").to_pylist()
    assert [(line["user_id"], line["item_id"]) for line in lines] == [
        ("ann", "bread"),
        ("bob", "bread"),
        ("bob", "milk"),
    ]
    for view in FROM_EVENTS:
        ours, theirs = (pq.read_table(tmp_path / name / f"{view}.parquet") for name in ("duckdb", "spark"))
        assert differences(ours, theirs) == [], view


def test_for_spark__says_functions_of_duckdb_in_sparks_words() -> None:
    said = for_spark("SELECT epoch_us(a), log(b), c // d FROM t ORDER BY e")
    assert said == "SELECT UNIX_MICROS(a), LOG10(b), c DIV d FROM t ORDER BY e NULLS LAST"


def test_for_spark__refuses_what_it_cannot_read() -> None:
    with pytest.raises(FeatureError, match=r"spend\.sql cannot be said in Spark's SQL"):
        for_spark("SELECT FROM WHERE", "spend")


def test_spark__refused_sql_names_the_file(spark: Build, tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_text(
        "-- key: user_id\nSELECT list_zip(user_id) AS user_id FROM known_events"
    )
    here = write_shop(tmp_path, [bought("ann", "b1", "milk", 3)])
    with pytest.raises(FeatureError, match=r"bad\.sql is refused by"):
        spark(("bad",), here.events, here.items, AT, WEEK, tmp_path / "out", folder=tmp_path)
