"""A person answers for what a gate refused: by name, with a reason, and only for a while."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from pipelines.domain import Verdict
from pipelines.releases import chain, schema
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LedgerError, RecordedDecision, utc_now

QUALITY = "quality"
INVALID_EVIDENCE = (
    "holdout_is_frozen",
    "past_only",
    "features_of_the_week",
    "learned_from_what_landed",
    "champion_unseen_holdout",
    "lost_champion",
)
"""Checks of the evidence itself: where one fails there is nothing that a person could answer for."""
LONGEST = timedelta(days=30)


@dataclass(frozen=True)
class Override:
    """Who answers for a refused candidate, why, and until when.

    Attributes:
        override_id: Of this row.
        decision_id: What is overridden.
        actor: Who.
        reason: Why, in words.
        created_at: UTC.
        expires_at: UTC; from then on it opens nothing.
    """

    override_id: str
    decision_id: str
    actor: str
    reason: str
    created_at: datetime
    expires_at: datetime

    def stands(self, now: datetime) -> bool:
        """Whether it has not lapsed."""
        return now < self.expires_at

    def words(self, now: datetime) -> str:
        """For a person."""
        until = f"{'until' if self.stands(now) else 'lapsed'} {self.expires_at:%Y-%m-%d %H:%M} UTC"
        return f"overridden by {self.actor} ({until}): {self.reason}"


def override_decision(
    ledger: Ledger, decision_id: str, actor: str, reason: str, expires_at: datetime
) -> Override:
    """Record that somebody answers for a refused candidate.

    It holds for this decision and for one of the same content: the same figures under the same policy, made again by a
    later run of the same inputs.

    Raises:
        LedgerError: There is no such decision, or it passed, or it is not one of the quality gate, or its evidence is
            not valid; the actor or the reason is missing; or the expiry is past or too far away.
    """
    now = utc_now()
    _require_refused(ledger.decision(decision_id), decision_id)
    if not actor.strip() or not reason.strip():
        raise LedgerError("an override needs an actor and a reason: give both")
    if not now < expires_at <= now + LONGEST:
        raise LedgerError(
            f"an override ends within {LONGEST.days} days from now, found {expires_at:%Y-%m-%d %H:%M} UTC: name a "
            "nearer moment to come"
        )
    made = Override(f"o-{uuid4().hex[:12]}", decision_id, actor, reason, now, expires_at)
    with ledger.appending() as connection:
        chain.append(connection, schema.chain, schema.gate_overrides, asdict(made))
    return made


def overrides_of(ledger: Ledger, decision: RecordedDecision) -> list[Override]:
    """All that were ever given for a decision or one of the same content, oldest first."""
    given, decided = schema.gate_overrides, schema.decisions
    query = (
        sa.select(given)
        .join(decided, given.c.decision_id == decided.c.decision_id)
        .where(decided.c.kind == decision.kind, decided.c.body == decision.body)
        .order_by(given.c.created_at)
    )
    with ledger.engine.connect() as connection:
        return [Override(**row._mapping) for row in connection.execute(query)]


def standing_override(ledger: Ledger, decision_id: str) -> Override | None:
    """The latest that has not lapsed, None where there is none."""
    now = utc_now()
    return next((one for one in reversed(_given(ledger, decision_id)) if one.stands(now)), None)


def lapsed_words(ledger: Ledger, decision_id: str) -> str:
    """The last override of a decision in words where none stands any more, empty where there never was one."""
    now, given = utc_now(), _given(ledger, decision_id)
    return "" if not given or any(one.stands(now) for one in given) else given[-1].words(now)


def _given(ledger: Ledger, decision_id: str) -> list[Override]:
    decision = ledger.decision(decision_id)
    return overrides_of(ledger, decision) if decision else []


def words_of(ledger: Ledger, decision: RecordedDecision) -> Iterator[str]:
    """Every override of a decision, for a person."""
    now = utc_now()
    return (one.words(now) for one in overrides_of(ledger, decision))


def _require_refused(decision: RecordedDecision | None, decision_id: str) -> None:
    if decision is None:
        raise LedgerError(
            f"the ledger has no decision {decision_id!r}: `shoploop gate explain RUN` names those of a run"
        )
    if decision.verdict == Verdict.PASS:
        raise LedgerError(f"{decision_id} passed: there is nothing to override")
    if decision.kind != QUALITY:
        raise LedgerError(
            f"{decision_id} is a {decision.kind} decision: it measures a Bento anew whenever it is tried; clear the "
            "task, or change its limits in params.yaml"
        )
    failed = [
        check["name"] for check in json.loads(decision.body)["checks"] if check["verdict"] != Verdict.PASS
    ]
    if invalid := [name for name in failed if name in INVALID_EVIDENCE]:
        raise LedgerError(
            f"{decision_id}: {invalid[0]} failed, so that its figures are of no worth and nobody can answer for them: "
            "evaluate anew"
        )
