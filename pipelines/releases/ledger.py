"""The release ledger: append-only record of what was live when, who moved it and on which decision."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from pipelines.releases import chain, schema
from pipelines.releases.moves import (
    existing,
    next_move,
    release_of,
    require_explanation,
    standing_releases,
)
from pipelines.releases.records import (
    LeaseTaken,
    LedgerError,
    Move,
    RecordedDecision,
    Release,
    Run,
    StaleMove,
    Step,
    utc_now,
)
from pipelines.releases.stepping import standing_step

TRAFFIC = "traffic"
WORTH_ANOTHER_TRY = ("refused_package",)
"""Outcomes that say nothing about the model: the machine may have been busy. What a person rejected stays rejected."""
AGAIN = " #"


@dataclass(frozen=True)
class Plan:
    """What the endpoint should have running, read in one transaction.

    Attributes:
        live: The release that answers, ``None`` before the first.
        previous: What a rollback without a name goes back to. After a rollback that is the release before
            the one rolled back to, never the one that was rolled back.
        prepared: Releases asked to be warmed, with when they were asked, newest first.
        candidate: Step of the release that is on its way to become live, ``None`` when none is.
        candidate_release: That release.
    """

    live: Release | None
    previous: Release | None
    prepared: tuple[tuple[Release, datetime], ...]
    candidate: Step | None = None
    candidate_release: Release | None = None


class Ledger:
    """Reads and appends to the ledger; safe to use from several processes at once.

    Invariants:
        Rows of decisions, runs, releases and moves are never changed or deleted (the database refuses), and each is
        linked to all before it (`verify`).
        Of two moves that judged the same live release exactly one wins: both write the same ``seq``,
        which is the primary key.
    """

    def __init__(self, url: str) -> None:
        self.engine = schema.open_engine(url)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.engine.connect().execution_options(ledger_writes=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def appending(self) -> Iterator[Connection]:
        """A transaction whose rows get links; all others who append wait for its end."""
        with self._writing() as connection:
            chain.wait_for_turn(connection)
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that reads all tables as of one moment, while others append."""
        with self.engine.connect() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield connection

    def close(self) -> None:
        """Give back the connections."""
        self.engine.dispose()

    # Reading

    def live(self) -> Release | None:
        """The release that answers now."""
        return self.plan().live

    def previous(self) -> Release | None:
        """The release that a rollback without a name goes to."""
        return self.plan().previous

    def plan(self) -> Plan:
        """Live, previous and prepared releases of one moment."""
        with self.engine.connect() as connection, connection.begin():
            standing = standing_releases(connection)
            asked = connection.execute(
                sa.select(schema.preparations).order_by(schema.preparations.c.requested_at.desc())
            ).all()
            step = standing_step(connection)
            return Plan(
                live=release_of(connection, standing[-1]) if standing else None,
                previous=release_of(connection, standing[-2]) if len(standing) > 1 else None,
                prepared=tuple((existing(connection, row.release_id), row.requested_at) for row in asked),
                candidate=step,
                candidate_release=existing(connection, step.release_id) if step else None,
            )

    def release(self, release_id: str) -> Release | None:
        """The release of this id."""
        with self.engine.connect() as connection:
            return release_of(connection, release_id)

    def releases(self) -> list[Release]:
        """Every release, newest first."""
        query = sa.select(schema.releases).order_by(
            schema.releases.c.created_at.desc(), schema.releases.c.release_id
        )
        with self.engine.connect() as connection:
            return [Release(**row._mapping) for row in connection.execute(query)]

    def history(self) -> list[Move]:
        """Every move of traffic, oldest first."""
        query = sa.select(schema.moves).order_by(schema.moves.c.seq)
        with self.engine.connect() as connection:
            return [Move(**row._mapping) for row in connection.execute(query)]

    def decision(self, decision_id: str) -> RecordedDecision | None:
        """The decision of this id."""
        query = sa.select(schema.decisions).where(schema.decisions.c.decision_id == decision_id)
        with self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return RecordedDecision(**row._mapping) if row else None

    def decisions(self, run_id: str) -> list[RecordedDecision]:
        """The decisions of a run, oldest first."""
        query = (
            sa.select(schema.decisions)
            .where(schema.decisions.c.run_id == run_id)
            .order_by(schema.decisions.c.created_at)
        )
        with self.engine.connect() as connection:
            return [RecordedDecision(**row._mapping) for row in connection.execute(query)]

    def seen(self, fingerprint: str, besides: str = "") -> Run | None:
        """The last finished run of these inputs whose ending says something about the model.

        Args:
            fingerprint: Of the inputs.
            besides: Id of the run that asks: one that is cleared must not find itself.
        """
        runs = schema.runs.c
        query = (
            sa.select(schema.runs)
            .where(runs.fingerprint == fingerprint, runs.run_id != besides)
            .order_by(runs.finished_at.desc())
        )
        with self.engine.connect() as connection:
            found = [_run(row) for row in connection.execute(query)]
        return next((run for run in found if run.outcome not in WORTH_ANOTHER_TRY), None)

    def live_at(self, moment: datetime) -> Move | None:
        """The move that made live what answered at a moment, None when nothing did."""
        query = sa.select(schema.moves).where(schema.moves.c.moved_at <= moment)
        with self.engine.connect() as connection:
            row = connection.execute(query.order_by(schema.moves.c.seq.desc()).limit(1)).one_or_none()
        return Move(**row._mapping) if row else None

    def verify(self, expected_head: str = "") -> chain.Verification:
        """Whether every row is as it was appended.

        Args:
            expected_head: A head that was noted earlier, or how it begins.
        """
        with self.snapshot() as connection:
            return chain.verify(connection, schema.chain, schema.CHAINED, expected_head)

    def link(self, table: str, key: list[Any]) -> dict[str, Any] | None:
        """The link of a row, by its table and primary key."""
        links = schema.chain.c
        query = sa.select(schema.chain).where(links.table_name == table, links.row_key == json.dumps(key))
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        return dict(row._mapping) if row else None

    def head(self) -> str:
        """Hash of the last link of the chain."""
        with self.engine.connect() as connection:
            return chain.head(connection, schema.chain)[1]

    # Appending

    def record_decision(
        self, run_id: str, kind: str, verdict: str, summary: str, body: dict[str, Any]
    ) -> str:
        """Keep a gate's decision; the same decision of the same run is kept once.

        Args:
            run_id: The run it was made in.
            kind: ``quality``, ``package`` or ``stability``.
            verdict: ``PASS``, ``FAIL`` or ``INSUFFICIENT_EVIDENCE``.
            summary: One sentence for a person.
            body: The whole decision.

        Returns:
            Its id, made of its content.
        """
        text = json.dumps(body, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(f"{run_id}\n{kind}\n{text}".encode()).hexdigest()
        row = {
            "decision_id": f"d-{kind}-{digest[:12]}",
            "run_id": run_id,
            "kind": kind,
            "verdict": str(verdict),
            "summary": summary,
            "body": text,
            "created_at": utc_now(),
        }
        self._append_once(schema.decisions, row)
        return str(row["decision_id"])

    def record_run(self, run: Run) -> None:
        """Keep how a run ended; the same ending of the same run on the same inputs is kept once.

        A cleared run that ends the same way on other inputs is a row of its own, with a number in its outcome:
        run and outcome are the key, and no row is ever changed.
        """
        query = sa.select(schema.runs).where(schema.runs.c.run_id == run.run_id)
        with self.engine.connect() as connection:
            before = [_run(row) for row in connection.execute(query)]
        alike = [kept.fingerprint for kept in before if kept.outcome == run.outcome]
        if run.fingerprint not in alike:
            number = f"{AGAIN}{len(alike) + 1}" if alike else ""
            self._append_once(schema.runs, asdict(run) | {"outcome": f"{run.outcome}{number}"})

    def add_release(self, release: Release) -> Release:
        """Register a release; a release already there is left as it is.

        Returns:
            The release as the ledger has it (with its first ``created_at``).

        Raises:
            LedgerError: The id is taken by a release of another content.
        """
        self._append_once(schema.releases, asdict(release))
        kept = self.release(release.release_id)
        if kept is None or _content(kept) != _content(release):
            raise LedgerError(
                f"release {release.release_id}: the ledger has it as {_described(kept) if kept else 'nothing'},"
                f" not as {_described(release)}: two Bentos, one id; change the code or train again"
            )
        return kept

    def _append_once(self, table: sa.Table, row: dict[str, Any]) -> None:
        try:
            with self.appending() as connection:
                chain.append(connection, schema.chain, table, row)
        except IntegrityError:
            key = [column == row[column.name] for column in table.primary_key]
            with self.engine.connect() as connection:
                if connection.execute(sa.select(table).where(*key)).first() is None:
                    raise

    def move(
        self,
        release_id: str,
        expected_live: str | None,
        kind: str,
        actor: str,
        reason: str,
        decision_id: str = "",
    ) -> Move:
        """Make a release live if what is live is still what the caller judged (compare-and-set).

        Args:
            release_id: A release of the ledger.
            expected_live: Id of the live release the caller judged against, ``None`` for none.
            kind: ``release`` or ``rollback``.
            actor: Who moves it.
            reason: Why, in words; required.
            decision_id: The decision it rests on; required for a release.

        Raises:
            StaleMove: Something else is live by now, or a release of an older week would replace a newer one.
            LedgerError: The release is unknown, or actor, reason or decision is missing.
        """
        require_explanation(kind, actor, reason, decision_id)
        try:
            with self.appending() as connection:
                move = next_move(connection, release_id, expected_live, kind)
                move |= {"actor": actor, "reason": reason, "decision_id": decision_id, "moved_at": utc_now()}
                chain.append(connection, schema.chain, schema.moves, move)
                return Move(**move)
        except IntegrityError as error:
            # The other process took this seq between our reading and our writing.
            raise StaleMove(
                f"{release_id} did not become live: another move was recorded at the same moment."
                " Judge it again against what is live now (shoploop releases list)."
            ) from error

    # Requests of the moment

    def request_preparation(self, release_id: str) -> datetime:
        """Ask the endpoint to start and warm a release; asking again starts a failed one anew.

        Returns:
            When it was asked, by which the endpoint's answer to this request is known.
        """
        now = utc_now()
        with self._writing() as connection:
            existing(connection, release_id)
            _delete_preparation(connection, release_id)
            connection.execute(schema.preparations.insert().values(release_id=release_id, requested_at=now))
        return now

    def withdraw_preparation(self, release_id: str) -> None:
        """Let the endpoint stop a release that is neither live nor previous."""
        with self._writing() as connection:
            _delete_preparation(connection, release_id)

    @contextmanager
    def lease(self, holder: str, seconds: float, name: str = TRAFFIC) -> Iterator[None]:
        """Hold the right to move traffic; it lapses after ``seconds`` if the holder dies.

        The lease spares two runs from warming releases at once; that only one of them wins is
        ensured by `move`, so a lapsed lease is never dangerous.

        Raises:
            LeaseTaken: Somebody else holds it.
        """
        self._take_lease(name, holder, seconds)
        try:
            yield
        finally:
            with self._writing() as connection:
                mine = (schema.lease.c.name == name) & (schema.lease.c.holder == holder)
                connection.execute(schema.lease.delete().where(mine))

    def _take_lease(self, name: str, holder: str, seconds: float) -> None:
        now = utc_now()
        row = {"name": name, "holder": holder, "expires_at": now + timedelta(seconds=seconds)}
        free = (schema.lease.c.holder == holder) | (schema.lease.c.expires_at <= now)
        with self._writing() as connection:
            taken = schema.lease.update().where(schema.lease.c.name == name, free).values(row)
            if connection.execute(taken).rowcount == 1:
                return
        try:
            with self._writing() as connection:
                connection.execute(schema.lease.insert().values(row))
        except IntegrityError as error:
            raise LeaseTaken(self._who_holds(name)) from error

    def _who_holds(self, name: str) -> str:
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(schema.lease).where(schema.lease.c.name == name)).first()
        who = f"{row.holder} until {row.expires_at:%H:%M:%S} UTC" if row else "somebody who just let go"
        return f"traffic is being moved by {who}: wait for its end, or for its lease to lapse, and try again"


def _run(row: sa.Row[Any]) -> Run:
    run = Run(**row._mapping)
    return replace(run, outcome=run.outcome.partition(AGAIN)[0])


def _delete_preparation(connection: Connection, release_id: str) -> None:
    connection.execute(schema.preparations.delete().where(schema.preparations.c.release_id == release_id))


def _content(release: Release) -> tuple[str, str]:
    # The tag ends with the hash of all that the Bento holds; its path may change with the home.
    return release.bundle_sha256, release.bento_tag


def _described(release: Release) -> str:
    return f"{release.bento_path} ({release.bento_tag}, bundle {release.bundle_sha256})"
