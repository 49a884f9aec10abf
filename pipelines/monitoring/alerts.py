"""Alerts for whoever is on call: one JSON message to a webhook, with the page that says what to do."""

import logging
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import httpx

from pipelines.settings import Settings

RUNBOOKS = "docs/runbooks"
TRIES, SECONDS = 3, 5.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """One thing that a person should look at.

    Attributes:
        kind: ``failed_task``, ``no_promotion`` or ``failed_check``; the name of its page in docs/runbooks.
        title: What happened, in a line.
        detail: What is known of it.
        link: Where to look.
    """

    kind: str
    title: str
    detail: str
    link: str

    def body(self) -> dict[str, str]:
        """What is posted; ``text`` alone is what Slack, Mattermost and Teams' workflows show."""
        runbook = f"{RUNBOOKS}/{self.kind}.md"
        text = "\n".join([self.title, self.detail, f"Look at {self.link}", f"What to do: {runbook}"])
        return {"kind": self.kind, "title": self.title, "detail": self.detail, "link": self.link} | {
            "runbook": runbook,
            "text": text,
        }


def failed_task(settings: Settings, dag_id: str, run_id: str, task_id: str, why: str) -> Alert:
    """A task failed for good, after its last try."""
    link = f"{settings.airflow}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"
    return Alert("failed_task", f"{task_id} of {dag_id} failed", f"run {run_id}: {why}", link)


def no_promotion(settings: Settings, last: datetime | None, now: datetime, days: float) -> Alert | None:
    """Nothing was released for longer than ``days``; None while that is not so, or nothing was ever released.

    Args:
        settings: Of this installation.
        last: When a release last became live.
        now: UTC.
        days: How long may pass.
    """
    if last is None or (now - last).total_seconds() <= days * 86_400:
        return None
    passed = (now - last).total_seconds() / 86_400
    detail = f"The last release became live {last:%Y-%m-%d %H:%M} UTC; the policy is {days:g} days."
    return Alert("no_promotion", f"No release for {passed:.0f} days", detail, f"{settings.airflow}/dags")


def failed_check(settings: Settings, release_id: str, summary: str) -> Alert:
    """The live release was not rebuilt the same, or another seed ranks otherwise."""
    link = f"{settings.airflow}/dags/check_release"
    return Alert("failed_check", f"{release_id} does not stand its weekly check", summary, link)


def send(settings: Settings, alert: Alert) -> bool:
    """Post it to ``SHOPLOOP_ALERT_WEBHOOK``; whether it arrived.

    An alert that cannot be sent must not break what it tells of: this never raises, it logs.
    """
    if not settings.alert_webhook:
        log.warning("no alert was sent, as SHOPLOOP_ALERT_WEBHOOK is not set: %s", alert.title)
        return False
    why = ""
    for _ in range(TRIES):
        try:
            httpx.post(settings.alert_webhook, json=alert.body(), timeout=SECONDS).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
        else:
            return True
    log.error("the alert %r could not be sent to SHOPLOOP_ALERT_WEBHOOK: %s", alert.title, why)
    return False
