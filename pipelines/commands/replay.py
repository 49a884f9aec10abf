"""`shoploop features replay`: whether what was served equals what the offline build gives."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.console import fail, say, say_json

if TYPE_CHECKING:
    from pipelines.actions.replay_features import FirstDifference, ReplayResult
    from pipelines.monitoring.skew import FeatureTotals

SKEWED = 1
NOTHING_COMPARED = 2


def replay(
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a bundle that is not among the releases; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare the feature values that were served with those that the offline build gives.

    Ends with 0 when all are equal, with 1 when a value differs, and with 2 when nothing could be compared.
    """
    from pipelines.actions.replay_features import replay_features
    from pipelines.domain import BundleError
    from pipelines.features.views import FeatureError
    from pipelines.params import ParamsError
    from pipelines.settings import settings
    from pipelines.tables import StorageError

    try:
        result = replay_features(settings(), bundle or ())
    except (BundleError, FeatureError, ParamsError, StorageError) as error:
        fail(str(error), NOTHING_COMPARED)
    if as_json:
        say_json(result.as_dict())
    else:
        say(in_words(result))
    if not result.compared:
        raise typer.Exit(NOTHING_COMPARED)
    if result.comparison.differing:
        raise typer.Exit(SKEWED)


def in_words(result: "ReplayResult") -> str:
    """What a replay found, for a person."""
    found = result.comparison
    lines = [_verdict(result)]
    lines += [f"  set aside: {count:,} {reason}" for reason, count in sorted(result.set_aside.items())]
    if result.left_out:
        lines.append(f"  left out: {result.left_out:,} events of these shoppers that became known only later")
    differing = {name: totals for name, totals in found.features.items() if totals.differing}
    lines += [_totals(name, totals) for name, totals in sorted(differing.items())]
    lines += [
        f"  {count:,} requests: {cause}"
        for cause, count in sorted(found.causes.items(), key=lambda pair: -pair[1])
    ]
    if result.first is not None:
        lines.append(_first(result.first))
    return "\n".join(lines)


def _verdict(result: "ReplayResult") -> str:
    found = result.comparison
    values = sum(totals.values for totals in found.features.values())
    if not result.compared:
        return "Nothing was compared."
    if not found.differing:
        return f"No skew: {found.equal:,} requests with {values:,} values of {len(found.features)} features are equal."
    return f"Skew: {found.differing:,} of {result.compared:,} requests were served other values than are built offline."


def _totals(name: str, totals: "FeatureTotals") -> str:
    apart = (
        "one side has none" if totals.largest == float("inf") else f"largest difference {totals.largest:.6g}"
    )
    return f"  {name}: {totals.differing:,} of {totals.values:,} values differ, {apart}"


def _first(first: "FirstDifference") -> str:
    found = first.difference
    what = found.feature if found.item_id is None else f"{found.feature} of item {found.item_id}"
    served, offline = ("none" if value is None else f"{value:.9g}" for value in (found.served, found.offline))
    return (
        f"First: request {first.request_id} of shopper {first.user_id} at {first.asked_at}, release {first.release}\n"
        f"  {what}: served {served}, offline {offline}\n"
        f"  {first.history}\n"
        f"  {first.cause}"
    )
