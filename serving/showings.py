"""Which campaigns were shown to whom: counted and limited in one transaction, by all processes of one home.

It stands in the file of :mod:`serving.sqlite_state`, whose ``redemptions`` it reads.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.ranking.responses import DAY_US
from pipelines.ranking.running_campaigns import Limits

SCHEMA = """
CREATE TABLE IF NOT EXISTS showings (user_id TEXT NOT NULL, campaign_id TEXT NOT NULL, shown_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS showings_by_user ON showings (user_id, campaign_id, shown_at);
CREATE TABLE IF NOT EXISTS shown_campaigns (campaign_id TEXT PRIMARY KEY, showings INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Wish:
    """Campaigns that may be shown to a shopper, best first, at most ``k``; ``now`` in microseconds since the epoch."""

    user_id: str
    now: int
    k: int
    campaigns: Sequence[tuple[str, Limits]]


@dataclass(frozen=True)
class Shown:
    """What of a wish is shown, and a sentence for each campaign that a limit keeps back."""

    campaign_ids: tuple[str, ...]
    kept_back: tuple[str, ...]


def show(connection: sqlite3.Connection, wish: Wish) -> Shown:
    """Choose within the limits and count what is chosen, inside the open transaction."""
    shown: list[str] = []
    kept_back: list[str] = []
    for campaign_id, limits in wish.campaigns:
        if len(shown) == wish.k:
            break
        if fault := _reached(connection, wish, campaign_id, limits):
            kept_back.append(f"campaign {campaign_id} is left out: {fault}")
            continue
        shown.append(campaign_id)
        connection.execute("INSERT INTO showings VALUES (?, ?, ?)", (wish.user_id, campaign_id, wish.now))
        connection.execute(
            "INSERT INTO shown_campaigns VALUES (?, 1) ON CONFLICT DO UPDATE SET showings = showings + 1",
            (campaign_id,),
        )
    return Shown(tuple(shown), tuple(kept_back))


def _reached(connection: sqlite3.Connection, wish: Wish, campaign_id: str, limits: Limits) -> str:
    """Which limit is reached, in words; empty for none."""
    mine, since = (wish.user_id, campaign_id), wish.now - int(limits.showings_days * DAY_US)
    connection.execute(
        "DELETE FROM showings WHERE user_id = ? AND campaign_id = ? AND shown_at <= ?", (*mine, since)
    )
    to_shopper = _number(
        connection, "SELECT count(*) FROM showings WHERE user_id = ? AND campaign_id = ?", mine
    )
    if limits.showings is not None and to_shopper >= limits.showings:
        return f"shown to this shopper {to_shopper} times in {limits.showings_days:g} days, its limit"
    to_all = _number(
        connection, "SELECT sum(showings) FROM shown_campaigns WHERE campaign_id = ?", (campaign_id,)
    )
    if limits.budget_showings is not None and to_all >= limits.budget_showings:
        return f"shown {to_all} times, its budget"
    redeemed = _number(connection, "SELECT count(*) FROM redemptions WHERE campaign_id = ?", (campaign_id,))
    if limits.budget_redemptions is not None and redeemed >= limits.budget_redemptions:
        return f"redeemed {redeemed} times, its budget"
    return ""


def _number(connection: sqlite3.Connection, query: str, values: tuple[str, ...]) -> int:
    return int(connection.execute(query, values).fetchone()[0] or 0)
