"""Rows of the ledger as frozen values."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


class LedgerError(Exception):
    """The ledger refuses what was asked; the message says why and what to do."""


class StaleMove(LedgerError):  # noqa: N818 - the name of the event, as the plan calls it
    """Traffic was not moved: the world is no longer the one the caller judged."""


class LeaseTaken(LedgerError):  # noqa: N818
    """Another holder is moving traffic; the message names it and until when."""


def utc_now() -> datetime:
    """The system clock in UTC: the ledger records when things were done, which is not shop time."""
    return datetime.now(UTC)


def release_id_of(week: int, digest: str) -> str:
    """The id of a release: the same content (bundle, code, requirements) of the same week is the same release.

    Args:
        week: Decision week.
        digest: Hash in hex of all that the Bento holds; its first 8 digits are used.
    """
    return f"r-{week}-{digest[:8]}"


@dataclass(frozen=True)
class Release:
    """An immutable Bento and everything needed to trace and rebuild it.

    Attributes:
        release_id: ``r-<week>-<first 8 of the hash of the Bento's content>``.
        created_at: When the ledger first heard of it, UTC.
        run_id: The pipeline run that made it.
        decision_id: The quality decision it passed.
        bento_tag: ``name:version`` in BentoML's store; the version ends with the hash of the content.
        bento_path: Folder of the Bento where it was built; :meth:`bento_folder` also finds it in a home that was moved.
        bundle_sha256: Of the model bundle.
        model_version: Version in the model registry, ``""`` when it was not registered.
        week: Decision week the bundle was judged on.
        tree_id: Git tree id of the code snapshot.
        dirty: The code was not committed.
        dvc_lock_sha256: Of ``dvc.lock``.
        params_sha256: Of ``params.yaml``.
        lock_sha256: Of the environment lock.
    """

    release_id: str
    created_at: datetime
    run_id: str
    decision_id: str
    bento_tag: str
    bento_path: str
    bundle_sha256: str
    model_version: str
    week: int
    tree_id: str
    dirty: bool
    dvc_lock_sha256: str
    params_sha256: str
    lock_sha256: str

    def bento_folder(self, store: Path) -> Path:
        """Where the Bento is: as built, else in BentoML's store ``store`` of a home that was moved or restored."""
        built = Path(self.bento_path)
        moved = store / "bentos" / self.bento_tag.replace(":", "/")
        return moved if moved.is_dir() and not built.is_dir() else built


@dataclass(frozen=True)
class Move:
    """Traffic moved once.

    Attributes:
        seq: 1, 2, 3, … without gaps.
        release_id: What became live.
        previous_release_id: What was live before, ``None`` for the first.
        kind: ``release`` or ``rollback``.
        actor: Who moved it.
        reason: Why, in words.
        decision_id: The decision it rests on, ``""`` for a rollback.
        moved_at: UTC.
    """

    seq: int
    release_id: str
    previous_release_id: str | None
    kind: str
    actor: str
    reason: str
    decision_id: str
    moved_at: datetime


@dataclass(frozen=True)
class Run:
    """How a run ended: ``promoted``, ``not_promoted``, ``refused``, ``refused_approval`` or ``refused_package``."""

    run_id: str
    fingerprint: str
    tree_id: str
    dirty: bool
    week: int
    outcome: str
    decision_id: str
    finished_at: datetime


@dataclass(frozen=True)
class RecordedDecision:
    """A gate's decision as it was kept; ``body`` is the decision as JSON text."""

    decision_id: str
    run_id: str
    kind: str
    verdict: str
    summary: str
    body: str
    created_at: datetime


@dataclass(frozen=True)
class Step:
    """A candidate release was given a part of the traffic, or had it taken away.

    Attributes:
        seq: 1, 2, 3, … without gaps, over all releases.
        release_id: The candidate.
        live_release_id: What it is compared with.
        move_seq: The move that made that live; the step holds only until the next move.
        step: ``canary``, or ``aborted``. A canary without a share is a shadow, asked the same and shown to nobody.
        share: Of the shoppers who are answered by it, 0 to 1.
        actor: Who took it.
        reason: Why, in words.
        baseline: Counters of both releases as the step began, as JSON; what happens in the step is counted from there.
        taken_at: UTC.
    """

    seq: int
    release_id: str
    live_release_id: str
    move_seq: int
    step: str
    share: float
    actor: str
    reason: str
    baseline: str
    taken_at: datetime

    @property
    def kind(self) -> str:
        """``shadow``, ``canary`` or ``aborted``."""
        return "shadow" if self.step == "canary" and self.share == 0 else self.step
