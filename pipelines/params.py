"""Typed ``params.yaml``: one frozen model per section, unknown keys refused, no defaults in code."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator


class ParamsError(Exception):
    """``params.yaml`` is not usable; the message names the file, the key and the remedy."""


class Section(BaseModel):
    """A section of ``params.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Shop(Section):
    """Which shop, and how its weeks are counted."""

    source: str
    timezone: str
    first_week: date
    history_until_week: int | None = Field(ge=3)
    rows_per_batch: int = Field(ge=1000)


class ValidateData(Section):
    """Limits of the batch rules."""

    quarantine_share_limit: float = Field(ge=0, le=1)
    unjoined_share_limit: float = Field(ge=0, le=1)
    week_volume_share_low: float = Field(ge=0)
    week_volume_share_high: float = Field(gt=1)
    freshness_hours_limit: float = Field(gt=0)
    category_mix_limit: float = Field(gt=0, le=1)
    hour_mix_limit: float = Field(gt=0, le=1)
    night_share_limit: float = Field(gt=0, le=1)
    repeated_share_limit: float = Field(ge=0, le=1)
    repriced_share_low: float = Field(ge=0, le=1)
    price_level_limit: float = Field(gt=1)
    baskets_per_shopper_limit: float = Field(gt=1)
    busiest_shopper_limit: float = Field(gt=0, le=1)
    hidden_share_limit: float = Field(ge=0, le=1)


class SplitWeeks(Section):
    """How much history is learned from."""

    history_weeks: int = Field(ge=3)


class BuildFeatures(Section):
    """Which views are built, and by what."""

    engine: Literal["duckdb", "spark"]
    touched_share_limit: float = Field(ge=0, le=1)
    views: tuple[str, ...] = Field(min_length=1)


class Als(Section):
    """Implicit matrix factorisation."""

    factors: int = Field(ge=1)
    iterations: int = Field(ge=1)
    regularization: float = Field(gt=0)
    alpha: float = Field(gt=0)
    decay: float = Field(gt=0, le=1)
    seed: int


class FitBaselines(Section):
    """The generators that need no gradient."""

    transitions_per_item: int = Field(ge=1)
    popularity_damping: float = Field(ge=0, le=1)
    neighbours: int = Field(ge=1)
    neighbour_decay: float = Field(gt=0, le=1)
    companion_damping: float = Field(ge=0, le=1)
    als: Als


class ModelSize(Section):
    """Width of the parts of the sequence model."""

    width: int = Field(ge=4)
    heads: int = Field(ge=1)
    hidden: int = Field(ge=2)
    small: int = Field(ge=1)


class TrainSequence(Section):
    """Size and training of the sequence model."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_size: Literal["small", "base", "large"]
    epochs: int = Field(ge=1, le=50)
    target_weeks: int = Field(ge=1)
    batch: int = Field(ge=1)
    negatives: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    dropout: float = Field(ge=0, lt=1)
    repeat_weight: float = Field(ge=0)
    minimum_purchases: int = Field(ge=1)
    warm_start: bool
    threads: int = Field(ge=1)
    seed: int
    sizes: dict[str, ModelSize]


class Range(Section):
    """Values that tuning may try for one field."""

    low: float
    high: float
    log: bool


class TuneSequence(Section):
    """How the choices of the sequence model are searched for."""

    origins: int = Field(ge=1)
    startup_trials: int = Field(ge=1)
    seed: int
    search: dict[str, Range] = Field(min_length=1)


Part = Literal[
    "popularity",
    "shown",
    "shown_popularity",
    "shown_frequency",
    "personal_frequency",
    "personal_frequency_80",
    "personal_frequency_decayed",
    "personal_frequency_95",
    "due",
    "markov",
    "neighbours",
    "als",
    "sequence",
]


class BlendCandidate(Section):
    """What is blended, and how the weights are learned."""

    parts: tuple[Part, ...]
    candidates_per_component: int = Field(ge=10)
    penalty: float = Field(ge=0)
    worth: float = Field(ge=0, le=0.1)

    @field_validator("parts")
    @classmethod
    def _the_gate_can_compare(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        if "sequence" not in parts or len(parts) < 2:
            raise ValueError(
                "expected sequence and at least one part more: the gate compares the blend with itself without sequence"
            )
        if len(set(parts)) < len(parts):
            raise ValueError(f"expected each part once, found {', '.join(parts)}")
        return parts


class Recommend(Section):
    """What each ten places of a list have to keep; null for no rule."""

    same_type_limit: int | None = Field(ge=1, le=10)
    repeat_limit: int | None = Field(ge=0, le=10)


class SearchItems(Section):
    """How a search is ordered."""

    taste_weight: float = Field(ge=0)


class Complements(Section):
    """How a basket is completed for a shopper who is known."""

    taste_weight: float = Field(ge=0)


class NewArrivals(Section):
    """What counts as new in the shop."""

    days: float = Field(gt=0)


class CampaignLimits(Section):
    """What the shop states of one campaign; what is left out is as for all."""

    showings: int | None = Field(default=None, ge=1)
    showings_days: float = Field(default=7, gt=0)
    budget_showings: int | None = Field(default=None, ge=0)
    budget_redemptions: int | None = Field(default=None, ge=0)


class Promotions(Section):
    """How it is learned who redeems a campaign, and how often it may be shown."""

    lately_days: float = Field(gt=0)
    own_weight: float = Field(gt=0)
    penalty: float = Field(gt=0)
    bootstrap_samples: int = Field(ge=200)
    showings: int | None = Field(ge=1)
    showings_days: float = Field(gt=0)
    budget_showings: int | None = Field(ge=0)
    budget_redemptions: int | None = Field(ge=0)
    campaigns: dict[str, CampaignLimits]

    def learning(self) -> dict[str, float]:
        """What a model is learned by."""
        return {name: getattr(self, name) for name in ("lately_days", "own_weight", "penalty")}

    def limits(self) -> dict[str, dict[str, float | None]]:
        """Of every campaign under ``""``, and of each that has its own."""
        names = tuple(CampaignLimits.model_fields)
        default = {name: getattr(self, name) for name in names}
        return {"": default} | {
            campaign: default | limits.model_dump(exclude_unset=True)
            for campaign, limits in self.campaigns.items()
        }


class EvaluateCandidate(Section):
    """How the evaluation is cut and how sure it is."""

    bootstrap_samples: int = Field(ge=200)
    seed: int
    new_household_baskets: int = Field(ge=1)
    heavy_share: float = Field(gt=0, lt=1)
    cold_item_weeks: int = Field(ge=1)
    known_queries: int = Field(ge=1)


class GuardedSlices(Section):
    """Slices of households that a good average must not hide."""

    guarded: tuple[Literal["new", "usual", "heavy"], ...]
    margin: float = Field(ge=0, lt=1)
    minimum_households: int = Field(ge=1)


class DecidePromotion(Section):
    """Policy of the quality gate."""

    policy_version: int
    metric: str = Field(pattern="^(ndcg|recall|mrr)_at_10$")
    confidence: float = Field(gt=0.5, lt=1)
    bootstrap_samples: int = Field(ge=200)
    seed: int
    minimum_households: int = Field(ge=1)
    champion_margin: float = Field(ge=0, lt=1)
    catalog_change_limit: float = Field(ge=0, le=1)
    slices: GuardedSlices
    coverage_ratio_low: float = Field(ge=0, le=1)
    concentration_ratio_high: float = Field(ge=1)
    plausible_gain_limit: float = Field(gt=0)
    neural_floor: str
    baselines: tuple[str, ...] = Field(min_length=1)


class DecidePackage(Section):
    """Policy of the package gate."""

    p99_ms_limit: float = Field(gt=0)
    memory_mib_limit: float = Field(gt=0)
    memory_growth_kib_limit: float = Field(gt=0)
    ready_seconds_limit: float = Field(gt=0)
    known_queries_min: int = Field(ge=1)
    timed_requests: int = Field(ge=100)
    release_dirty: bool
    licences_allowed: tuple[str, ...] = Field(min_length=1)


class ReplayFeatures(Section):
    """How equal served and offline values have to be; features have to be equal exactly."""

    score_tolerance: float = Field(ge=0)


Share = Annotated[float, Field(gt=0, lt=1)]


class AdvanceRelease(Section):
    """How a release that passed its gates is let before the shoppers, and what takes it back."""

    policy_version: int = Field(ge=1)
    shadow_requests: int = Field(ge=0)
    canary_shares: tuple[Share, ...]
    seconds_between_looks: float = Field(gt=0)
    alpha: float = Field(gt=0, le=0.2)
    minimum_requests: int = Field(ge=1)
    minimum_seconds: float = Field(ge=0)
    maximum_seconds: float = Field(gt=0)
    when_quiet: Literal["advance", "roll_back"]
    crashes_allowed: int = Field(ge=0)
    errors_tolerated: Share
    errors_ratio: float = Field(ge=1)
    slow_seconds: float = Field(gt=0)
    slow_tolerated: Share
    slow_ratio: float = Field(ge=1)
    outcome_margin: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _steps_grow_and_can_be_taken(self) -> Self:
        if sorted(set(self.canary_shares)) != list(self.canary_shares):
            raise ValueError(f"canary_shares: expected ever larger shares, found {list(self.canary_shares)}")
        if self.maximum_seconds <= self.minimum_seconds:
            raise ValueError("maximum_seconds: expected more than minimum_seconds")
        return self


class CollectGarbage(Section):
    """What `shoploop gc` keeps."""

    releases_kept: int = Field(ge=2)
    days_kept: float = Field(ge=0)


class WatchReleases(Section):
    """When who is on call is told that nothing moves."""

    days_without_release: float = Field(gt=0)


class CheckRelease(Section):
    """When a rebuild and a second seed speak against the live release."""

    other_seed: int = Field(ge=0)
    seed_margin: float = Field(gt=0, lt=1)
    alike_low: float = Field(ge=0, le=1)
    confidence: float = Field(gt=0, lt=1)
    bootstrap_samples: int = Field(ge=100)


class Params(Section):
    """All of ``params.yaml``."""

    shop: Shop
    validate_data: ValidateData
    split_weeks: SplitWeeks
    build_features: BuildFeatures
    fit_baselines: FitBaselines
    train_sequence: TrainSequence
    tune_sequence: TuneSequence
    blend_candidate: BlendCandidate
    recommend: Recommend
    search_items: SearchItems
    complements: Complements
    new_arrivals: NewArrivals
    promotions: Promotions
    evaluate_candidate: EvaluateCandidate
    decide_promotion: DecidePromotion
    decide_package: DecidePackage
    replay_features: ReplayFeatures
    collect_garbage: CollectGarbage
    watch_releases: WatchReleases
    check_release: CheckRelease
    advance_release: AdvanceRelease

    @model_validator(mode="after")
    def _every_end_of_the_search_is_a_valid_choice(self) -> Self:
        for name, values in self.tune_sequence.search.items():
            where = f"tune_sequence.search.{name}"
            if not isinstance(getattr(self.train_sequence, name, None), int | float):
                raise ValueError(f"{where}: train_sequence has no number of this name")
            if not values.low < values.high or (values.log and values.low <= 0):
                raise ValueError(f"{where}: expected low < high, and low > 0 where log is true")
            for end in (values.low, values.high):
                try:
                    TrainSequence.model_validate(self.train_sequence.model_dump() | {name: end})
                except ValidationError as error:
                    raise ValueError(f"{where}: {end:g} is no {name}: {error.errors()[0]['msg']}") from error
        return self


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check ``params.yaml``.

    Raises:
        ParamsError: The file is missing, is not YAML, or a key is unknown, missing or out of range.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ParamsError(
            f"{path}: cannot be read as YAML ({error}); restore it with `git checkout {path}`"
        ) from error
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ParamsError(f"{path}: correct these keys\n" + "\n".join(lines)) from error


def params_sha256(path: Path) -> str:
    """Hash of the values of a ``params.yaml``: a comment or the order of keys changes no result."""
    text = json.dumps(yaml.safe_load(path.read_text()), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Rows ``section.name, value`` of nested tables."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
