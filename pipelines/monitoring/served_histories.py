"""Histories as they were known to logged requests, built offline from what had landed and what had been posted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.evaluation.splits import with_weeks
from pipelines.features.histories import Histories
from pipelines.features.history_view import histories_of
from pipelines.monitoring.replaying import names_of
from pipelines.weeks import ShopCalendar
from serving.served_features import ServedFeatures
from serving.state import Refresh


@dataclass(frozen=True)
class Sources:
    """Where the events of a group of requests are.

    Attributes:
        landed: Files of the accepted events that the group's refresh took in.
        later: Files of those that were accepted after it.
        posted: The event log: columns of the events contract and ``seq``.
        items: Parquet of the items contract.
    """

    landed: Sequence[Path]
    later: Sequence[Path]
    posted: pa.Table
    items: Path


@dataclass(frozen=True)
class Rebuilt:
    """What the offline build makes of a group of requests.

    Attributes:
        histories: One a request, in their order; ``user_ids`` are the requests' numbers.
        in_part: Numbers of the requests that found an order of which a part had landed and a part had not.
        left_out: Events of these shoppers that became known only after the requests.
    """

    histories: Histories
    in_part: frozenset[int]
    left_out: int


def rebuild_histories(
    served: Sequence[ServedFeatures], refresh: Refresh, sources: Sources, calendar: ShopCalendar, folder: Path
) -> Rebuilt:
    """Build the histories of requests that were answered from one refresh of the state.

    Known to a request is what its refresh had taken in, and what had been posted up to it and was not yet judged
    at the refresh. The view sees every request as a shopper of its own, so one run of it builds all of them.

    Args:
        served: The requests.
        refresh: The refresh that their histories came from.
        sources: The events.
        calendar: The shop's.
        folder: Where the view of the bundle is that answered.

    Raises:
        FeatureError: The view is missing or refused.
    """
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        _load(database, served, refresh, sources)
        events = database.sql("FROM known").to_arrow_table()
        in_part = database.execute(_IN_PART).fetchall()
        left_out = _count_later(database, sources)
    moment = max(refresh.at_us, *(request.asked_at + 1 for request in served))
    histories = histories_of(with_weeks(events, calendar), sources.items, moment, refresh.week, folder)
    return Rebuilt(histories.take(names_of(served)), frozenset(int(row[0]) for row in in_part), left_out)


_KNOWN = """
CREATE TABLE known AS
SELECT landed.* EXCLUDE (seq) REPLACE ({renamed}) FROM asked JOIN landed ON landed.user_id = asked.shopper
UNION ALL BY NAME
SELECT posted.* EXCLUDE (seq) REPLACE ({renamed}) FROM asked JOIN posted ON posted.user_id = asked.shopper
WHERE posted.seq > $judged AND posted.seq <= asked.posted_through
  AND posted.event_id NOT IN (SELECT event_id FROM landed)
"""
_IN_PART = """
SELECT DISTINCT fresh.user_id FROM known AS fresh JOIN known AS old USING (user_id, basket_id)
WHERE fresh.is_fresh AND NOT old.is_fresh
  AND fresh.event_type = 'purchase' AND old.event_type = 'purchase'
"""


def _load(
    database: duckdb.DuckDBPyConnection, served: Sequence[ServedFeatures], refresh: Refresh, sources: Sources
) -> None:
    asked = {
        "number": names_of(served),
        "shopper": [request.known.history.user_id for request in served],
        "posted_through": [request.known.posted_through for request in served],
    }
    database.register("asked", pa.table(asked))
    database.register("event_log", sources.posted)
    database.execute("CREATE TABLE posted AS SELECT *, TRUE AS is_fresh FROM event_log")
    # Files of an older version of the contract lack its new columns.
    database.execute("CREATE TABLE landed AS SELECT * REPLACE (FALSE AS is_fresh) FROM posted LIMIT 0")
    if sources.landed:
        database.execute(
            "INSERT INTO landed BY NAME SELECT *, FALSE AS is_fresh, 0 AS seq FROM read_parquet($files,"
            " union_by_name = true) WHERE user_id IN (SELECT shopper FROM asked)",
            {"files": [str(path) for path in sources.landed]},
        )
    # Requests share events: ids are made their own, so that a correction known to one does not reach another.
    renamed = ["number AS user_id", "number || ':' || event_id AS event_id"]
    if "corrects" in sources.posted.column_names:
        renamed.append("number || ':' || corrects AS corrects")
    database.execute(_KNOWN.format(renamed=", ".join(renamed)), {"judged": refresh.judged_through})


def _count_later(database: duckdb.DuckDBPyConnection, sources: Sources) -> int:
    if not sources.later:
        return 0
    found = database.execute(
        "SELECT count(*) FROM read_parquet($files, union_by_name = true)"
        " WHERE user_id IN (SELECT shopper FROM asked) AND event_id NOT IN (SELECT event_id FROM posted)",
        {"files": [str(path) for path in sources.later]},
    ).fetchone()
    return int(found[0]) if found else 0
