"""The rules of moving traffic, over the rows of one transaction."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipelines.releases import schema
from pipelines.releases.records import LedgerError, Release, StaleMove


def last_move(connection: Connection) -> sa.Row[Any] | None:
    """The move that made live what is live, None before the first."""
    query = sa.select(schema.moves).order_by(schema.moves.c.seq.desc()).limit(1)
    return connection.execute(query).first()


def standing_releases(connection: Connection) -> list[str]:
    """Releases that stand, oldest first, the live one last: a rollback takes away what it undid."""
    columns = (schema.moves.c.release_id, schema.moves.c.kind)
    standing: list[str] = []
    for release_id, kind in connection.execute(sa.select(*columns).order_by(schema.moves.c.seq)):
        if kind == "rollback" and release_id in standing:
            del standing[len(standing) - standing[::-1].index(release_id) :]
        elif standing[-1:] != [release_id]:
            standing.append(release_id)
    return standing


def release_of(connection: Connection, release_id: str | None) -> Release | None:
    """The release of this id, None for none."""
    query = sa.select(schema.releases).where(schema.releases.c.release_id == release_id)
    row = connection.execute(query).one_or_none()
    return Release(**row._mapping) if row else None


def existing(connection: Connection, release_id: str) -> Release:
    """The release of this id.

    Raises:
        LedgerError: There is none.
    """
    found = release_of(connection, release_id)
    if found is None:
        raise LedgerError(f"the ledger has no release {release_id!r}: see `shoploop releases list`")
    return found


def require_explanation(kind: str, actor: str, reason: str, decision_id: str) -> None:
    """Raises `LedgerError` unless a move says who, why and, for a release, on which decision."""
    if not actor.strip() or not reason.strip():
        raise LedgerError("traffic moves only with an actor and a reason: give both")
    if kind == "release" and not decision_id:
        raise LedgerError("a release rests on a decision: record it first and give its decision_id")


def next_move(
    connection: Connection, release_id: str, expected_live: str | None, kind: str
) -> dict[str, Any]:
    """The move that makes a release live, as far as the ledger itself knows it.

    Raises:
        StaleMove: Something else is live than expected, or a release of an older week would replace a newer one.
        LedgerError: The release is unknown.
    """
    last = last_move(connection)
    live_id = last.release_id if last else None
    target = existing(connection, release_id)
    if live_id != expected_live:
        raise StaleMove(
            f"{release_id} did not become live: it was judged against {expected_live or 'no release'},"
            f" but {live_id or 'no release'} is live now. Judge it again against that."
        )
    if kind == "release" and live_id is not None:
        refuse_older(target, existing(connection, live_id))
    return {
        "seq": last.seq + 1 if last else 1,
        "release_id": release_id,
        "previous_release_id": live_id,
        "kind": kind,
    }


def refuse_older(target: Release, live: Release) -> None:
    """Raises `StaleMove` for a release of an older week than the live one's."""
    if target.week < live.week:
        raise StaleMove(
            f"{target.release_id} of week {target.week} did not become live: {live.release_id} of week"
            f" {live.week} is newer. To go back on purpose: `shoploop releases rollback --to"
            f" {target.release_id} --reason …`"
        )
