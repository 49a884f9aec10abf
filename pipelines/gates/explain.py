"""A recorded decision in plain words: what was compared, what was found, and what would have changed the verdict."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.domain import Verdict

Body = Mapping[str, Any]
Checked = Mapping[str, Any]
NOT_INFERIOR = "not_inferior_to_champion"
SLICE = "slice_"
"""Fails by evidence of harm, not for want of evidence of health."""
UNSEEN = "champion_unseen_holdout"
"""Its threshold is a week; its own words say what to do."""
HOUSEHOLDS = "enough_households"
STABILITY = "stability"
"""Kind of the decisions on what is live already."""
AT_LEAST = (HOUSEHOLDS, "known_queries", "covers_the_catalog", "seeds_rank_alike")
"""Checks whose threshold is a lower limit; those of the others are upper ones, or they have an interval."""


def explain(body: Body) -> list[str]:
    """Sentences, most important first.

    Args:
        body: A decision as ``decide_promotion``, ``decide_package`` and ``check_release`` write it.
    """
    checks: Sequence[Checked] = body["checks"]
    blocking = [check for check in checks if check["verdict"] != Verdict.PASS]
    return [
        _outcome(body, blocking),
        *_compared(body),
        *(_line(check, body) for check in [*blocking, *_passed(checks)]),
    ]


def _passed(checks: Sequence[Checked]) -> list[Checked]:
    return [check for check in checks if check["verdict"] == Verdict.PASS]


def _outcome(body: Body, blocking: Sequence[Checked]) -> str:
    count = len(body["checks"])
    if not blocking:
        rest = "" if body.get("kind") == STABILITY else " One that does not is enough to refuse."
        return f"It passed: all {count} checks hold.{rest}"
    names = ", ".join(check["name"] for check in blocking)
    what = "could not be decided" if body["verdict"] == Verdict.INSUFFICIENT_EVIDENCE else "does not hold"
    if len(blocking) > 1:
        what = what.replace("does", "do")
    said = "is in doubt, and nothing was taken back" if body.get("kind") == STABILITY else "was refused"
    return f"It {said} ({body['verdict']}): of {count} checks, {names} {what}."


def _compared(body: Body) -> list[str]:
    policy, evidence = body.get("policy", {}), body.get("evidence", {})
    found = []
    if evidence.get("means"):
        means = ", ".join(f"{name} {value:.4f}" for name, value in evidence["means"].items())
        found.append(
            f"Compared on week {evidence['week']}, {evidence['households']} households, frozen as "
            f"{evidence['holdout_sha256'][:12]}; {policy.get('metric', 'the metric')}: {means}."
        )
    if policy:
        words = ", ".join(f"{key} {_plain(value)}" for key, value in policy.items())
        found.append(f"The policy it was made under: {words}.")
    return found


def _line(check: Checked, body: Body) -> str:
    changed = _what_if(check, body)
    return f"{check['verdict']} {check['name']}: {check['message']}." + (f" {changed}" if changed else "")


def _what_if(check: Checked, body: Body) -> str:
    """What would have turned this check, from its own figures; empty where no figure says."""
    low, limit, observed = check.get("low"), check.get("threshold"), check.get("observed")
    if observed is None or limit is None or check["name"] == UNSEEN:
        return ""
    if check["name"].startswith(SLICE):
        return _harm(check)
    if low is None:
        return _limit(check, observed, limit)
    if check["verdict"] == Verdict.PASS:
        return f"It would not have held with a difference lower by {low - limit:.4f}."
    return f"{_missing(check, body)}{_margin(check, body)}"


def _limit(check: Checked, observed: float, limit: float) -> str:
    at_least = check["name"] in AT_LEAST
    if check["verdict"] == Verdict.PASS:
        return f"It would not have held with {'less' if at_least else 'more'} than {limit:g}."
    # Something else than the limit may have failed it, as answers that are wrong.
    by_limit = observed < limit if at_least else observed > limit
    if not by_limit:
        return ""
    # Rounded away from what was observed: the limit that is named has to let it pass.
    named = math.floor(observed * 100) / 100 if at_least else math.ceil(observed * 100) / 100
    return f"A limit of {named:,.10g} would have let it pass."


def _harm(check: Checked) -> str:
    """How far the difference of a harmed slice is beyond the margin."""
    if check["verdict"] == Verdict.PASS:
        return ""
    short = check["threshold"] - check["observed"]
    return (
        f"With a difference higher by {short:.4f} it would be within the margin ({check['threshold']:+.4f})."
    )


def _missing(check: Checked, body: Body) -> str:
    low, high, limit, observed = (float(check[name]) for name in ("low", "high", "threshold", "observed"))
    needed = f"The lower end of the interval has to be above {limit:+.4f}: it is short by {limit - low:.4f}."
    room = observed - limit
    if room <= 0:
        return f"{needed} The difference itself is not above it: more households would not help, a better model would."
    households = next((one["observed"] for one in body["checks"] if one["name"] == HOUSEHOLDS), None)
    if not households:
        return needed
    # The width of an interval falls with the root of the number of households.
    enough = math.ceil(households * ((high - low) / 2 / room) ** 2)
    return f"{needed} About {enough:,} households instead of {households:,.0f} would tell such a difference."


def _margin(check: Checked, body: Body) -> str:
    margin = body.get("policy", {}).get("champion_margin")
    if check["name"] != NOT_INFERIOR or not margin or not check["threshold"]:
        return ""
    champion = -check["threshold"] / margin
    # Up, since the lower end has to be above the margin and not on it.
    enough = (math.floor(-check["low"] / champion * 10_000) + 1) / 10_000
    return f" A margin of {enough:.2%} instead of {margin:.2%} would have let it pass."


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
