"""Events that a later one corrects: from the moment the correction is known, only it counts.

All tellings of one event (the first, its corrections, and corrections of those) are versions of it. The one
that counts is the one that nothing corrects; of several, the one that was known last.
"""

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

# Ids of the events to leave out of {events}, which holds what is known at the moment and nothing else.
# A correction of an unknown event hangs on that event's id, so two corrections of it are versions too; a ring
# of corrections, which nobody means, keeps the one that was known last rather than none.
CORRECTED_SQL = """
WITH RECURSIVE links AS (
    SELECT event_id AS a, corrects AS b FROM {events} WHERE corrects IS NOT NULL AND corrects <> event_id
),
edges AS (SELECT a, b FROM links UNION SELECT b, a FROM links),
reached AS (SELECT a, b FROM edges UNION SELECT reached.a, edges.b FROM reached JOIN edges ON reached.b = edges.a),
groups AS (SELECT a AS event_id, MIN(b) AS first_id FROM reached GROUP BY a),
ranked AS (
    SELECT known.event_id, ROW_NUMBER() OVER (
        PARTITION BY first_id
        ORDER BY known.event_id IN (SELECT b FROM links), ingested_at DESC, known.event_id DESC
    ) AS place
    FROM {events} AS known JOIN groups ON known.event_id = groups.event_id
)
SELECT event_id FROM ranked WHERE place > 1
"""


def corrected_sql(events: str) -> str:
    """DuckDB query for the ids of the events that do not count, one column ``event_id``.

    Args:
        events: Name of a table with ``event_id``, ``corrects`` and ``ingested_at`` that holds the events known
            at the moment, whenever they happened.
    """
    return CORRECTED_SQL.format(events=events)


def without_corrected(events: pa.Table) -> pa.Table:
    """``events``, all those known at a moment, without the ones that a correction among them replaces."""
    if events["corrects"].null_count == events.num_rows:
        return events
    left_out = corrected_ids(events)
    return events.filter(pc.invert(pc.is_in(events["event_id"], left_out)))


def corrected_ids(events: pa.Table) -> pa.Array:
    """Ids of the events among ``events`` that do not count, sorted."""
    with duckdb.connect() as connection:
        connection.register("known_rows", events.select(["event_id", "corrects", "ingested_at"]))
        found = connection.sql(f"{corrected_sql('known_rows')} ORDER BY event_id").to_arrow_table()
    return found["event_id"].cast(pa.string()).combine_chunks()
