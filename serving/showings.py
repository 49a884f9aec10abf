"""Which campaigns were shown to whom: chosen and counted in one step, within limits that all processes share.

What is written here in SQL stands in the file of :mod:`serving.sqlite_state`, whose ``redemptions`` it reads;
:mod:`serving.redis_scripts` does the same in Redis.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.ranking.responses import DAY_US
from pipelines.ranking.running_campaigns import Limits

SCHEMA = """
CREATE TABLE IF NOT EXISTS showings (user_id TEXT NOT NULL, campaign_id TEXT NOT NULL, shown_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS showings_by_user ON showings (user_id, campaign_id, shown_at);
CREATE INDEX IF NOT EXISTS showings_by_time ON showings (shown_at);
CREATE TABLE IF NOT EXISTS shown_campaigns (campaign_id TEXT PRIMARY KEY, showings INTEGER NOT NULL);
"""
FORGET_AT_ONCE = 100
"""Of what is old at most, so that one request does not pay for all that nobody asked for."""
FORGET = f"""
DELETE FROM showings WHERE rowid IN (SELECT rowid FROM showings WHERE shown_at <= ? LIMIT {FORGET_AT_ONCE})
"""


@dataclass(frozen=True)
class Wish:
    """Campaigns that may be shown to a shopper.

    Attributes:
        user_id: The shopper.
        now: Microseconds since the epoch (UTC).
        k: How many at most.
        campaigns: Best first.
        old: Showings up to this moment count for no campaign of the release any more, and are forgotten.
    """

    user_id: str
    now: int
    k: int
    campaigns: Sequence[tuple[str, Limits]]
    old: int

    def since(self, limits: Limits) -> int:
        """Showings after this moment count."""
        return moment_before(self.now, limits.showings_days)


@dataclass(frozen=True)
class Shown:
    """What of a wish is shown, and a sentence for each campaign that a limit keeps back."""

    campaign_ids: tuple[str, ...]
    kept_back: tuple[str, ...]


def moment_before(now: int, days: float) -> int:
    """So many days before ``now``, not before the epoch."""
    return max(0, now - int(days * DAY_US))


def show(connection: sqlite3.Connection, wish: Wish) -> Shown:
    """Choose within the limits and count what is chosen, inside the open transaction."""
    connection.execute(FORGET, (wish.old,))
    shown: list[str] = []
    kept_back: list[str] = []
    for campaign_id, limits in wish.campaigns:
        if len(shown) == wish.k:
            break
        if reached := _reached(connection, wish, campaign_id, limits):
            kept_back.append(left_out(campaign_id, limits, *reached))
            continue
        shown.append(campaign_id)
        connection.execute("INSERT INTO showings VALUES (?, ?, ?)", (wish.user_id, campaign_id, wish.now))
        connection.execute(
            "INSERT INTO shown_campaigns VALUES (?, 1) ON CONFLICT DO UPDATE SET showings = showings + 1",
            (campaign_id,),
        )
    return Shown(tuple(shown), tuple(kept_back))


def left_out(campaign_id: str, limits: Limits, limit: str, number: int) -> str:
    """Why a campaign is kept back: which of its limits ``number`` has reached."""
    why = {
        "showings": f"shown to this shopper {number} times in {limits.showings_days:g} days, its limit",
        "budget_showings": f"shown {number} times, its budget",
        "budget_redemptions": f"redeemed {number} times, its budget",
    }
    return f"campaign {campaign_id} is left out: {why[limit]}"


def _reached(
    connection: sqlite3.Connection, wish: Wish, campaign_id: str, limits: Limits
) -> tuple[str, int] | None:
    """Which limit is reached, and by what number."""
    to_shopper = _number(
        connection,
        "SELECT count(*) FROM showings WHERE user_id = ? AND campaign_id = ? AND shown_at > ?",
        (wish.user_id, campaign_id, wish.since(limits)),
    )
    if limits.showings is not None and to_shopper >= limits.showings:
        return "showings", to_shopper
    to_all = _number(
        connection, "SELECT sum(showings) FROM shown_campaigns WHERE campaign_id = ?", (campaign_id,)
    )
    if limits.budget_showings is not None and to_all >= limits.budget_showings:
        return "budget_showings", to_all
    redeemed = _number(connection, "SELECT count(*) FROM redemptions WHERE campaign_id = ?", (campaign_id,))
    if limits.budget_redemptions is not None and redeemed >= limits.budget_redemptions:
        return "budget_redemptions", redeemed
    return None


def _number(connection: sqlite3.Connection, query: str, values: tuple[str | int, ...]) -> int:
    return int(connection.execute(query, values).fetchone()[0] or 0)
