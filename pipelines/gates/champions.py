"""Rules for the champion beside its figures: lost, too new to compare with, or left behind by the shop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.domain import Check, Verdict
from pipelines.params import DecidePromotion


@dataclass(frozen=True)
class Champion:
    """What is known of the champion.

    Attributes:
        release_id: The live release.
        fitted_through: Last week it was fitted on.
        contracts_changed: Data contracts of which the candidate was made under another version, in words; None where
            the champion does not say under which it was made.
        unknown_share: Share of the candidate's sellable items that the champion does not know.
        gone_share: Share of the champion's sellable items that the candidate does not know.
    """

    release_id: str
    fitted_through: int
    contracts_changed: tuple[str, ...] | None
    unknown_share: float
    gone_share: float

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> "Champion":
        """Of the champion's facts in ``metrics.json``."""
        changed = facts["contracts_changed"]
        return cls(
            facts["release_id"],
            facts["fitted_through_week"],
            None if changed is None else tuple(changed),
            facts["unknown_share"],
            facts["gone_share"],
        )


def lost(champion: Champion | None) -> Check:
    """A champion without figures, or figures without a champion, is not taken for a first model."""
    words = (
        f"the live release {champion.release_id} was named as the champion, but nothing was measured of it: this is no "
        "first model; restore its Bento, or roll back to a release that is complete, and run again"
        if champion
        else "a champion was measured, but no release was named for it: evaluate the candidate again"
    )
    return Check("lost_champion", Verdict.FAIL, None, None, words)


def compares(champion: Champion, week: int) -> Check | None:
    """The refusal of a champion that has seen the holdout; None where it has not."""
    fitted = champion.fitted_through
    if fitted < week:
        return None
    return Check(
        "champion_unseen_holdout",
        Verdict.FAIL,
        float(fitted),
        float(week),
        f"the champion was fitted through week {fitted} and has seen week {week}: land a newer week, or roll back "
        "first",
    )


def moved_on(policy: DecidePromotion, champion: Champion) -> list[Check]:
    """What changed in the shop's data since the champion was made."""
    return [
        _contracts(champion),
        _catalog(
            policy,
            "champion_knows_the_catalog",
            champion.unknown_share,
            "of the items that may be recommended now were never met by the champion",
        ),
        _catalog(
            policy,
            "catalog_is_kept",
            champion.gone_share,
            "of the items that the champion may recommend are unknown to the candidate",
        ),
    ]


def _contracts(champion: Champion) -> Check:
    """Never refuses: a changed contract takes from the champion the right to be the guards' only reference."""
    changed = champion.contracts_changed
    if changed is None:
        words = (
            "the champion does not say under which data contracts it was made; it is taken for the same ones"
        )
    elif not changed:
        words = "the champion was made under the same data contracts"
    else:
        words = (
            f"the data contracts changed since the champion was made ({', '.join(changed)}) and it may read rows of "
            "today wrongly: the reference of the guards is the better of it and the best baseline"
        )
    return Check("contracts_since_champion", Verdict.PASS, None, None, words)


def _catalog(policy: DecidePromotion, name: str, share: float, what: str) -> Check:
    limit, fine = policy.catalog_change_limit, share <= policy.catalog_change_limit
    words = f"{share:.1%} {what}; the policy allows {limit:.0%}"
    if not fine:
        words += (
            ": look whether item ids were renumbered or history is missing (reports/validation.json tells what was "
            "read); if the shop did change its shelves, raise catalog_change_limit or override"
        )
    return Check(name, Verdict.PASS if fine else Verdict.FAIL, share, limit, words)
