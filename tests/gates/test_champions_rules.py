"""First model, lost champion, changed contracts and changed catalog: each has its rule, and says it."""

from dataclasses import replace

import pytest

from pipelines.domain import Check, Verdict
from pipelines.gates.champions import Champion
from pipelines.gates.quality import Evidence, decide
from pipelines.releases.overrides import INVALID_EVIDENCE
from tests.gates.test_quality import POLICY, evidence, with_champion

SAME = Champion("r-43-abc", 42, (), 0.05, 0.0)


def check(found: Evidence, name: str) -> Check:
    return next(check for check in decide(POLICY, found).checks if check.name == name)


def told(champion: Champion, name: str) -> Check:
    return check(replace(with_champion(champion=-0.01), champion=champion), name)


def test_first_model__is_one_only_where_nothing_says_otherwise() -> None:
    names = [one.name for one in decide(POLICY, evidence()).checks]
    assert "first_model" in names
    assert not {"lost_champion", "contracts_since_champion"} & set(names)


def test_lost_champion__named_and_not_measured_is_no_first_model() -> None:
    found = replace(evidence(), champion=SAME)
    assert check(found, "lost_champion").verdict is Verdict.FAIL
    assert "the live release r-43-abc was named as the champion" in check(found, "lost_champion").message
    assert "first_model" not in [one.name for one in decide(POLICY, found).checks]
    assert decide(POLICY, found).verdict is Verdict.FAIL
    assert "lost_champion" in INVALID_EVIDENCE


def test_lost_champion__measured_and_not_named_is_none_either() -> None:
    found = evidence(champion=-0.01)
    assert check(found, "lost_champion").verdict is Verdict.FAIL


def test_contracts__the_same_or_not_told_are_said() -> None:
    assert told(SAME, "contracts_since_champion").message.endswith("under the same data contracts")
    silent = told(replace(SAME, contracts_changed=None), "contracts_since_champion")
    assert (silent.verdict, silent.message.split(";")[0]) == (
        Verdict.PASS, "the champion does not say under which data contracts it was made",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "champion", "reference"),
    [
        ((), -0.1, "champion"),
        (("events 1 to 2",), -0.1, "personal_frequency_decayed"),
        (("events 1 to 2",), -0.01, "champion"),
    ],
)
def test_contracts__changed_ones_make_the_better_of_two_the_reference(
    changed: tuple[str, ...], champion: float, reference: str
) -> None:
    # The best baseline is .02 below the candidate: better than a champion that is .1 below.
    honest = replace(with_champion(champion=champion), champion=replace(SAME, contracts_changed=changed))
    assert f"those of {reference} " in check(honest, "covers_the_catalog").message
    assert f"differs from {reference} " in check(honest, "slice_new").message
    if changed:
        assert "events 1 to 2" in check(honest, "contracts_since_champion").message


@pytest.mark.parametrize(
    ("name", "field"), [("champion_knows_the_catalog", "unknown_share"), ("catalog_is_kept", "gone_share")]
)
def test_catalog__a_large_change_is_refused_with_what_to_look_at(name: str, field: str) -> None:
    assert told(SAME, name).verdict is Verdict.PASS
    assert told(replace(SAME, **{field: 0.3}), name).verdict is Verdict.PASS
    found = told(replace(SAME, **{field: 0.31}), name)
    assert (found.verdict, found.observed, found.threshold) == (Verdict.FAIL, 0.31, 0.3)
    assert found.message.startswith("31.0% of the items that")
    assert "whether item ids were renumbered" in found.message
