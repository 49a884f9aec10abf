"""Tell who is on call when nothing was released for too long."""

from pathlib import Path

from pipelines.monitoring.alerts import no_promotion, send
from pipelines.params import WatchReleases
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import utc_now
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from pipelines.workspace import RUN_FOLDER


def watch_releases(settings: Settings, policy: WatchReleases, ledger: Ledger, workspace: Path) -> str:
    """Send an alert if the last release is older than the policy's days; writes ``run/watch_releases.json``.

    Returns:
        A sentence that says what was found.
    """
    released = [move.moved_at for move in ledger.history() if move.kind == "release"]
    alert = no_promotion(settings, max(released, default=None), utc_now(), policy.days_without_release)
    if alert is None:
        note = "a release became live in time" if released else "nothing was ever released"
    else:
        sent = send(settings, alert)
        note = f"{alert.title}; " + (
            "an alert was sent" if sent else "the alert could not be sent, see the log"
        )
    (workspace / RUN_FOLDER).mkdir(parents=True, exist_ok=True)
    write_result(workspace, "watch_releases", {"note": note, "is_late": alert is not None})
    return note
