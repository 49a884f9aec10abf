"""What the quality gate says, on evidence whose answer is plain."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.domain import Decision, Verdict
from pipelines.gates.champions import Champion
from pipelines.gates.guards import Lists
from pipelines.gates.quality import Evidence, decide
from pipelines.params import DecidePromotion, GuardedSlices

POLICY = DecidePromotion(
    policy_version=1,
    metric="ndcg_at_10",
    confidence=0.95,
    bootstrap_samples=1000,
    seed=7,
    minimum_households=100,
    champion_margin=0.015,
    catalog_change_limit=0.3,
    slices=GuardedSlices(guarded=("new", "usual"), margin=0.05, minimum_households=50),
    coverage_ratio_low=0.5,
    concentration_ratio_high=1.5,
    plausible_gain_limit=0.35,
    neural_floor="popularity",
    baselines=("popularity", "personal_frequency_decayed"),
)


def evidence(**means: float) -> Evidence:
    """A thousand households; each system differs from the candidate by its own mean, with noise."""
    generator = np.random.default_rng(5)
    candidate = np.clip(generator.normal(0.31, 0.2, 1000), 0, 1)
    systems = {
        "popularity": -0.18,
        "personal_frequency_decayed": -0.02,
        "blend_without_sequence": -0.015,
        "sequence": -0.03,
    } | means
    noise = {name: generator.normal(0, 0.055, 1000) for name in systems}
    values = {name: candidate + shift + noise[name] - noise[name].mean() for name, shift in systems.items()}
    lists = dict.fromkeys(["blend", *values], Lists(coverage=0.1, concentration=0.3))
    slice_of = np.where(np.arange(1000) < 200, "new", "usual")
    permuted = {name: 0.1 + generator.normal(0, 0.02, 1000) for name in ["blend", *values]}
    permuted["popularity"] += 0.05
    return Evidence(
        44, {"blend": candidate, **values}, permuted, None, "sha", "sha", slice_of, lists, 999, 1000, 44, ()
    )


def verdicts(decision: Decision) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in decision.checks}


def with_champion(fitted_through: int = 42, **means: float) -> Evidence:
    return replace(evidence(**means), champion=Champion("r-43-abc", fitted_through, (), 0.05, 0.0))


def test_decide__first_model_that_beats_everything_passes_and_names_the_rule() -> None:
    decision = decide(POLICY, evidence())
    assert decision.verdict is Verdict.PASS
    assert verdicts(decision)["first_model"] is Verdict.PASS
    assert "week 44" in decision.summary


def test_decide__a_baseline_that_wins_fails_it() -> None:
    decision = decide(POLICY, evidence(personal_frequency_decayed=+0.02))
    assert decision.verdict is Verdict.FAIL
    assert "does not beat personal_frequency_decayed" in decision.summary


def test_decide__a_neural_part_that_adds_nothing_never_passes() -> None:
    decision = decide(POLICY, evidence(blend_without_sequence=0.0))
    assert verdicts(decision)["superior_to_blend_without_sequence"] is not Verdict.PASS
    assert decision.verdict is not Verdict.PASS


def test_decide__a_gain_inside_the_noise_is_insufficient_evidence() -> None:
    found = decide(POLICY, evidence(blend_without_sequence=-0.0008))
    assert verdicts(found)["superior_to_blend_without_sequence"] is Verdict.INSUFFICIENT_EVIDENCE


def test_decide__too_few_households_blocks() -> None:
    few = evidence()
    values = {name: values[:99] for name, values in few.values.items()}
    few = replace(few, values=values, slice_of=few.slice_of[:99])
    assert verdicts(decide(POLICY, few))["enough_households"] is Verdict.INSUFFICIENT_EVIDENCE
    assert decide(POLICY, few).verdict is not Verdict.PASS


@pytest.mark.parametrize(
    ("champion", "expected"),
    [
        (-0.01, Verdict.PASS),
        (0.0, Verdict.PASS),
        (0.02, Verdict.FAIL),
        (0.005, Verdict.INSUFFICIENT_EVIDENCE),
    ],
)
def test_decide__champion_is_met_with_a_margin(champion: float, expected: Verdict) -> None:
    found = decide(POLICY, with_champion(champion=champion))
    assert verdicts(found)["not_inferior_to_champion"] is expected


def test_decide__a_champion_that_saw_the_holdout_cannot_be_compared() -> None:
    decision = decide(POLICY, with_champion(fitted_through=44, champion=-0.1))
    assert verdicts(decision)["champion_unseen_holdout"] is Verdict.FAIL


def test_decide__a_swapped_holdout_fails() -> None:
    decision = decide(POLICY, replace(evidence(), holdout_sha256="other"))
    assert verdicts(decision)["holdout_is_frozen"] is Verdict.FAIL


def test_decide__what_did_not_land_fails_it_and_is_named() -> None:
    stray = "data/features/holdout/basket_lines.parquet: 3 rows are not what landed before, 0 that landed are missing"
    decision = decide(POLICY, replace(evidence(), strays=(stray,)))
    (check,) = (check for check in decision.checks if check.verdict is not Verdict.PASS)
    assert (check.name, check.verdict) == ("learned_from_what_landed", Verdict.FAIL)
    assert f"{stray}: look at what runs between validate_data and training" in check.message


def test_decide__a_broken_neural_part_behind_good_companions_fails_it_on_few_households() -> None:
    decision = decide(POLICY, evidence(sequence=-0.2))
    assert verdicts(decision)["neural_part_alone"] is Verdict.FAIL
    assert verdicts(decide(POLICY, evidence(sequence=-0.178)))["neural_part_alone"] is Verdict.FAIL
    assert verdicts(decide(POLICY, evidence(sequence=-0.17)))["neural_part_alone"] is Verdict.PASS


@pytest.mark.parametrize(
    ("built_for", "words"), [(43, "were built for week 43"), (0, "before features said")]
)
def test_decide__features_of_another_week_fail_it(built_for: int, words: str) -> None:
    decision = decide(POLICY, replace(evidence(), features_of_week=built_for))
    assert decision.verdict is Verdict.FAIL
    (check,) = (check for check in decision.checks if check.verdict is Verdict.FAIL)
    assert check.name == "features_of_the_week"
    assert words in check.message
    assert "the holdout is week 44: run build_features again" in check.message
