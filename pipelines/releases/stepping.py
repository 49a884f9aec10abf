"""A candidate's steps: the rules over the rows of one transaction, and how one is taken."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from pipelines.releases import chain, schema
from pipelines.releases.moves import existing, last_move, refuse_older, require_explanation
from pipelines.releases.records import LedgerError, StaleMove, Step, utc_now

if TYPE_CHECKING:
    from pipelines.releases.ledger import Ledger

CANARY = "canary"
SHADOW = "shadow"
"""A canary with a share of 0: it is asked what the live release is asked, and shown to nobody."""
ABORTED = "aborted"


def all_steps(connection: Connection) -> list[Step]:
    """Every step, oldest first."""
    query = sa.select(schema.release_steps).order_by(schema.release_steps.c.seq)
    return [Step(**row._mapping) for row in connection.execute(query)]


def last_step(connection: Connection) -> Step | None:
    """The step that was taken last, whatever became of it."""
    query = sa.select(schema.release_steps).order_by(schema.release_steps.c.seq.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Step(**row._mapping) if row else None


def standing_step(connection: Connection) -> Step | None:
    """The step that holds now: none after it was aborted, and none after any later move."""
    step, move = last_step(connection), last_move(connection)
    if step is None or move is None or step.step == ABORTED:
        return None
    return step if step.move_seq == move.seq else None


def next_step(
    connection: Connection, release_id: str, expected: tuple[str, int], step: str, share: float
) -> dict[str, Any]:
    """The step that comes next, as far as the ledger itself knows it.

    Raises:
        StaleMove: What is live, or the last step, is not what was expected; or another candidate is on its way.
        LedgerError: The release is unknown or live already, or the share is not one.
    """
    last, standing, move = last_step(connection), standing_step(connection), last_move(connection)
    candidate = existing(connection, release_id)
    found = (move.release_id if move else None, last.seq if last else 0)
    if move is None or found != expected:
        raise StaleMove(
            f"{release_id} took no step: it was judged against {expected[0]} after step {expected[1]}, but"
            f" {found[0] or 'no release'} is live after step {found[1]} now. Judge it again against that."
        )
    live = existing(connection, expected[0])
    if standing is not None and standing.release_id != release_id:
        raise StaleMove(
            f"{release_id} took no step: {standing.release_id} is on its way. Wait for its end, or end it with"
            " `shoploop releases abort --reason …`"
        )
    _require_possible(release_id, live.release_id, step, share, standing)
    if step == CANARY:
        refuse_older(candidate, live)
    return {
        "seq": found[1] + 1,
        "release_id": release_id,
        "live_release_id": live.release_id,
        "move_seq": move.seq,
        "step": step,
        "share": share,
    }


def _require_possible(release_id: str, live_id: str, step: str, share: float, standing: Step | None) -> None:
    if release_id == live_id:
        raise LedgerError(f"{release_id} is live already: there is no step left to take")
    if step == CANARY and not 0 <= share < 1:
        raise LedgerError(
            f"share of {release_id}: expected 0 (a shadow) or more and below 1, found {share}; 1 is a release"
        )
    if step == ABORTED and (standing is None or share != 0):
        raise LedgerError(f"{release_id} cannot be aborted: no step of it stands (share {share}, expected 0)")
    if step not in (CANARY, ABORTED):
        raise LedgerError(f"step {step!r}: expected {CANARY!r} or {ABORTED!r}")


def steps(ledger: "Ledger") -> list[Step]:
    """Every step of every candidate, oldest first."""
    with ledger.engine.connect() as connection:
        return all_steps(connection)


def take_step(
    ledger: "Ledger",
    release_id: str,
    expected: tuple[str, int],
    step: str,
    share: float,
    actor: str,
    reason: str,
    baseline: str = "{}",
) -> Step:
    """Give a candidate its share of the shoppers, or take it away, if nothing has changed meanwhile.

    Args:
        ledger: The record of what is live.
        release_id: The candidate.
        expected: Id of the live release and ``seq`` of the last step (0 before the first) that the caller judged.
        step: ``canary`` or ``aborted``.
        share: Of the shoppers, below 1 for ``canary``, 0 for its shadow; 0 for ``aborted``.
        actor: Who takes it.
        reason: Why; required.
        baseline: Counters of both releases at this moment, as JSON.

    Raises:
        StaleMove: Something else is live, or another step was taken, or another candidate is on its way.
        LedgerError: The release is unknown or live already, the share is not one, or actor or reason is missing.
    """
    try:
        with ledger.appending() as connection:
            row = next_step(connection, release_id, expected, step, share)
            row |= {"actor": actor, "reason": reason, "baseline": baseline, "taken_at": utc_now()}
            require_explanation(step, actor, reason, "")
            chain.append(connection, schema.chain, schema.release_steps, row)
            return Step(**row)
    except IntegrityError as error:
        raise StaleMove(
            f"{release_id} took no step: another one was recorded at the same moment. Judge it again."
        ) from error
