"""The statements that make what a view may read, in DuckDB's SQL; Spark runs the same ones transpiled.

They read ``events`` and ``promotions`` as landed and ``corrected``, the ids of events that no longer count. No
view sees these three.
"""

import duckdb

from pipelines.contracts.corrections import corrected_sql


def known_events(at_us: int, from_week: int, landed: str = "", any_corrected: bool = True) -> str:
    """Events known at a moment, without those that a known correction replaces.

    Args:
        at_us: The moment, microseconds since the epoch (UTC).
        from_week: First shop week that is shown.
        landed: What stands before the names of the landed tables, such as ``landed.``.
        any_corrected: Whether ``corrected`` has rows; looking each event up in an empty one takes as long as the rest.
    """
    corrected = f"SELECT 1 FROM {landed}corrected AS corrected WHERE corrected.event_id = events.event_id"
    return f"""
        SELECT events.*, epoch_us(events.occurred_at) AS occurred_us
        FROM {landed}events AS events
        WHERE {_known(at_us)} AND week >= {from_week:d}
            {f"AND NOT EXISTS ({corrected})" if any_corrected else ""}
    """


def known_promotions(at_us: int) -> str:
    """Promotions that have begun before a moment."""
    return f"""
        SELECT promotions.*, epoch_us(starts_at) AS starts_us, epoch_us(ends_at) AS ends_us
        FROM promotions
        WHERE epoch_us(starts_at) < {at_us:d}
    """


def moment(at_us: int, week: int) -> str:
    """One row: the moment, and the shop week that begins at it."""
    return f"SELECT CAST({at_us:d} AS BIGINT) AS at_us, CAST({week:d} AS INTEGER) AS week"


def make_corrected(database: duckdb.DuckDBPyConnection, columns: list[str], at_us: int) -> bool:
    """Make the table ``corrected`` from ``events``; a correction counts whatever week it lies in.

    Args:
        database: Where ``events`` is.
        columns: Its columns; without ``corrects``, as the contract's first version was, nothing is corrected.
        at_us: The moment.

    Returns:
        Whether it has rows.
    """
    database.execute("CREATE TABLE corrected (event_id VARCHAR)")
    if "corrects" not in columns:
        return False
    if database.execute("SELECT 1 FROM events WHERE corrects IS NOT NULL LIMIT 1").fetchone() is None:
        return False  # the usual case, told without following any chain
    database.execute(
        f"CREATE TABLE known_ids AS SELECT event_id, corrects, ingested_at FROM events WHERE {_known(at_us)}"
    )
    database.execute(f"INSERT INTO corrected {corrected_sql('known_ids')}")
    database.execute("DROP TABLE known_ids")
    return database.execute("SELECT 1 FROM corrected LIMIT 1").fetchone() is not None


def _known(at_us: int) -> str:
    return f"epoch_us(occurred_at) < {at_us:d} AND epoch_us(ingested_at) <= {at_us:d}"
