"""Moving traffic: warm the release, move the ledger, see the public port answer from it."""

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LedgerError, Move, Release
from pipelines.releases.status import ReleaseStatus, read_status
from pipelines.settings import Settings

PREPARE_SECONDS = 240.0
CONFIRM_SECONDS = 30.0
POLL_SECONDS = 0.05
Found = TypeVar("Found")


class NotReady(Exception):  # noqa: N818
    """The endpoint could not make the release ready; what was live is live."""


class NotConfirmed(Exception):  # noqa: N818
    """The ledger was moved, and the public port did not answer from the release in time."""


@dataclass(frozen=True)
class Switch:
    """What moving traffic did.

    Attributes:
        release_id: What is live now.
        previous_release_id: What was before.
        seq: Of the move in the ledger, ``None`` when nothing had to be moved.
        prepare_seconds: Until the release was ready.
        switch_seconds: From the move to the first answer of the release on the public port.
        seconds: All of it.
        ledger_head: Head of the ledger's chain after it. It stays in the task's log and the run's files, outside the
            ledger, for ``shoploop releases verify --expect-head``.
    """

    release_id: str
    previous_release_id: str | None
    seq: int | None
    prepare_seconds: float
    switch_seconds: float
    seconds: float
    ledger_head: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Rollback:
    """A rollback that is decided on.

    Attributes:
        release_id: What to go back to.
        expected_live: What was live when that was decided; nothing else is replaced.
    """

    release_id: str
    expected_live: str | None


@dataclass(frozen=True)
class Mover:
    """Moves traffic of one endpoint.

    Args:
        ledger: The record of what is live.
        settings: Of the installation whose endpoint it is.
        prepare_seconds: How long the endpoint may take to make a release ready.
        confirm_seconds: How long the public port may take to answer from it.
    """

    ledger: Ledger
    settings: Settings
    prepare_seconds: float = PREPARE_SECONDS
    confirm_seconds: float = CONFIRM_SECONDS

    def release(self, release: Release, expected_live: str | None, actor: str, reason: str) -> Switch:
        """Make a release live that its gates passed; doing it again changes nothing.

        Args:
            release: What to make live; its ``decision_id`` is the decision the move rests on, also when the
                ledger knows the release already from a run that was judged against another champion.
            expected_live: The champion it was judged against.
            actor: Who does it.
            reason: Why.

        Raises:
            EndpointDown: No supervisor runs.
            LeaseTaken: Another release is being moved.
            NotReady: It did not start, or its model cannot be used.
            StaleMove: Something else is live than what it was judged against.
            NotConfirmed: The public port never answered from it; the former release was put back.
        """
        read_status(self.settings)
        kept = self.ledger.add_release(release)
        live = self.ledger.live()
        if live is not None and live.release_id == kept.release_id:
            return self._already_live(kept)
        started = time.monotonic()
        holder = f"{actor} ({release.run_id})"
        with self.ledger.lease(holder, self.prepare_seconds + self.confirm_seconds):
            return self._move(
                started, kept, expected_live, "release", actor, reason, decision_id=release.decision_id
            )

    def roll_back(self, release_id: str | None, actor: str, reason: str) -> Switch:
        """Go back to the previous or a named release; waits for no lease, since it must always be possible.

        Raises:
            LedgerError: There is nothing to go back to, or the name is unknown.
            EndpointDown, NotReady, StaleMove, NotConfirmed: As for `release`.
        """
        return self.carry_out(self.plan_rollback(release_id), actor, reason)

    def plan_rollback(self, release_id: str | None) -> Rollback:
        """Decide where a rollback goes, and move nothing.

        Raises:
            LedgerError: There is nothing to go back to, or the name is unknown.
            EndpointDown: No supervisor runs.
        """
        read_status(self.settings)
        plan = self.ledger.plan()
        target = self._target(release_id, plan.previous)
        live = plan.live.release_id if plan.live else None
        if live == target.release_id:
            raise LedgerError(f"{live} is live already: nothing to roll back")
        return Rollback(target.release_id, live)

    def carry_out(self, rollback: Rollback, actor: str, reason: str) -> Switch:
        """Make a rollback; raises what `roll_back` raises."""
        started = time.monotonic()
        target = self._target(rollback.release_id, None)
        return self._move(started, target, rollback.expected_live, "rollback", actor, reason)

    def resume(self, rollback: Rollback, actor: str, reason: str) -> Switch:
        """Make a rollback that an earlier try may have made: if its release is live, nothing is moved."""
        live = self.ledger.live()
        if live is None or live.release_id != rollback.release_id:
            return self.carry_out(rollback, actor, reason)
        return replace(self._already_live(live), previous_release_id=rollback.expected_live)

    def _target(self, release_id: str | None, previous: Release | None) -> Release:
        if release_id is None and previous is None:
            raise LedgerError(
                "there is no previous release to go back to: name one with --to (`shoploop releases list`)"
            )
        found = self.ledger.release(release_id) if release_id else previous
        if found is None:
            raise LedgerError(f"the ledger has no release {release_id!r}: see `shoploop releases list`")
        return found

    def _move(
        self,
        started: float,
        target: Release,
        expected: str | None,
        kind: str,
        actor: str,
        reason: str,
        decision_id: str = "",
    ) -> Switch:
        try:
            self.prepare(target.release_id)
            prepared = time.monotonic()
            move = self.ledger.move(target.release_id, expected, kind, actor, reason, decision_id)
            moved = time.monotonic()
            self._confirm_or_undo(move)
        finally:
            self.ledger.withdraw_preparation(target.release_id)
        done = time.monotonic()
        return Switch(
            target.release_id,
            expected,
            move.seq,
            prepared - started,
            done - moved,
            done - started,
            self.ledger.head(),
        )

    def _already_live(self, release: Release) -> Switch:
        started = time.monotonic()
        # Of a try that was killed; with it the release would stay warm when it is no longer live.
        self.ledger.withdraw_preparation(release.release_id)
        self.confirm(release.release_id)
        previous = self.ledger.previous()
        seconds = time.monotonic() - started
        return Switch(
            release.release_id,
            previous.release_id if previous else None,
            None,
            0.0,
            seconds,
            seconds,
            self.ledger.head(),
        )

    def prepare(self, release_id: str) -> None:
        """Have the endpoint start the release and wait until it is ready.

        Raises:
            NotReady: It failed, in the endpoint's words, or took too long.
        """
        if self._state(release_id).state in ("ready", "live"):
            return
        requested_at = self.ledger.request_preparation(release_id).isoformat()

        def outcome() -> ReleaseStatus | None:
            status = self._state(release_id)
            told = status.requested_at == requested_at
            return status if told and status.state in ("ready", "live", "failed") else None

        status = _wait(outcome, self.prepare_seconds)
        if status is None or status.state == "failed":
            why = status.reason if status else f"not ready within {self.prepare_seconds:.0f} s"
            raise NotReady(f"{release_id} cannot be released: {why}. What was live is still live.")

    def _state(self, release_id: str) -> ReleaseStatus:
        return read_status(self.settings).releases.get(release_id, ReleaseStatus("unknown"))

    def confirm(self, release_id: str) -> None:
        """Wait until the public port answers from the release.

        Raises:
            NotConfirmed: It did not in time.
        """
        if _wait(lambda: served_release(self.settings) == release_id or None, self.confirm_seconds) is None:
            raise NotConfirmed(
                f"{self.settings.endpoint}/v1/release did not answer from {release_id} within"
                f" {self.confirm_seconds:.0f} s: see the endpoint's log and `shoploop status`"
            )

    def _confirm_or_undo(self, move: Move) -> None:
        try:
            self.confirm(move.release_id)
        except NotConfirmed as error:
            if move.previous_release_id is None:
                raise
            back, why = move.previous_release_id, f"move {move.seq} was not confirmed: {error}"
            self.ledger.move(back, move.release_id, "rollback", move.actor, why)
            raise NotConfirmed(f"{error}. The ledger was moved back to {back}.") from error


def served_release(settings: Settings) -> str | None:
    """Which release answers on the public port, ``None`` when none does."""
    address = urlsplit(settings.endpoint)
    where, trust = (address.hostname or "", address.port), settings.endpoint_trust
    connection = (
        http.client.HTTPConnection(*where, timeout=5)
        if address.scheme == "http"
        else http.client.HTTPSConnection(
            *where, timeout=5, context=trust if isinstance(trust, ssl.SSLContext) else None
        )
    )
    try:
        connection.request("GET", "/v1/release")
        answer = connection.getresponse()
        body = json.loads(answer.read())
        return str(body["release"]) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return None
    finally:
        connection.close()


def _wait(ask: Callable[[], Found | None], seconds: float) -> Found | None:
    deadline = time.monotonic() + seconds
    while (found := ask()) is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return found
