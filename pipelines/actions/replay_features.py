"""Replay the log of served features through the offline build, and say whether the values are equal."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.actions.fetch_champion import BUNDLE_IN_BENTO
from pipelines.contracts import EVENTS
from pipelines.features.history_view import VIEW, views_of
from pipelines.monitoring.causes import Circumstances, describe_histories
from pipelines.monitoring.replaying import IN_BUNDLE, compute_features, logged_histories
from pipelines.monitoring.served_histories import Rebuilt, Sources, rebuild_histories
from pipelines.monitoring.skew import Comparison, Difference, compare
from pipelines.ranking.bundle import MANIFEST, bundle_sha256
from pipelines.ranking.feature_values import FeatureValues
from pipelines.releases.ledger import Ledger
from pipelines.settings import Settings
from pipelines.shop import OpenShop, open_shop
from pipelines.sources.posted_events import read_posted
from pipelines.tables import StorageError, sha256
from pipelines.weeks import from_micros
from serving.served_features import ServedFeatures, read_served
from serving.state import Refresh, ShopperState, StateError

GROUP = 1000  # requests whose events are held in memory together
NO_REFRESH = "served before the state said what its histories are made of, as `shoploop action refresh_state` has it do"
UNREAD = "answered without a history, since the endpoint could not read its state"
NO_BUNDLE = "the bundle that answered is not among the releases; name its folder with --bundle"
OLD_BUNDLE = "the bundle was made before bundles could replay their features"


@dataclass(frozen=True)
class FirstDifference:
    """The first request that differs, with both values and what explains it."""

    request_id: str
    user_id: str
    asked_at: str
    release: str
    difference: Difference
    cause: str
    history: str


@dataclass(frozen=True)
class ReplayResult:
    """What a replay found.

    Attributes:
        comparison: Requests and features compared.
        set_aside: Requests that cannot be replayed, by reason.
        left_out: Events of these shoppers that became known only after the requests, and so were left out.
        first: The first request that differs, None when all are equal.
    """

    comparison: Comparison
    set_aside: Mapping[str, int]
    left_out: int
    first: FirstDifference | None

    @property
    def compared(self) -> int:
        """Requests that could be replayed."""
        return self.comparison.equal + self.comparison.differing

    def as_dict(self) -> dict[str, Any]:
        """For JSON; an infinite difference, where one side has no value, is null."""
        found = asdict(self)
        for totals in found["comparison"]["features"].values():
            totals["largest"] = totals["largest"] if totals["largest"] != float("inf") else None
        return found


class Replay:
    """One run over a log.

    Args:
        settings: Where things are.
        bundles: Folders of bundles besides those of the releases.
    """

    def __init__(self, settings: Settings, bundles: Sequence[Path]) -> None:
        self.shop: OpenShop = open_shop(settings)
        self.log = settings.served_features_file
        with closing(self.shop.state()) as state:
            self.refreshes = _read_refreshes(state)
            self.posted = posted_events(state)
        self.bundles = find_bundles(settings, bundles)
        self.tolerance = self.shop.params.replay_features.score_tolerance
        self.comparison, self.set_aside = Comparison(), Counter[str]()
        self.left_out, self.first = 0, None

    first: FirstDifference | None

    def run(self) -> ReplayResult:
        """Replay every request of the log."""
        groups: dict[tuple[str, int], list[ServedFeatures]] = {}
        for request in _read_log(self.log):
            key = (request.bundle_sha256, request.known.refresh)
            reason = self._hindrance(*key) if request.known.was_read else UNREAD
            if reason:
                self.set_aside[reason] += 1
                continue
            group = groups.setdefault(key, [])
            group.append(request)
            if len(group) == GROUP:
                self._replay(*key, groups.pop(key))
        for key, group in groups.items():
            self._replay(*key, group)
        return ReplayResult(self.comparison, dict(self.set_aside), self.left_out, self.first)

    def _hindrance(self, sha256: str, refresh: int) -> str:
        if refresh not in self.refreshes:
            return NO_REFRESH
        if sha256 not in self.bundles:
            return NO_BUNDLE
        return "" if (self.bundles[sha256] / IN_BUNDLE).is_file() else OLD_BUNDLE

    def _replay(self, sha256: str, number: int, served: list[ServedFeatures]) -> None:
        bundle, refresh = self.bundles[sha256], self.refreshes[number]
        rebuilt = rebuild_histories(
            served, refresh, self._sources(refresh), self.shop.calendar, views_of(bundle)
        )
        offline = compute_features(bundle, rebuilt.histories, served)
        differences = [
            compare(request.features, values, self.tolerance)
            for request, values in zip(served, offline, strict=True)
        ]
        for request, found in zip(served, differences, strict=True):
            self.comparison.take(request.features, found)
        self.left_out += rebuilt.left_out
        self._explain(bundle, refresh, served, rebuilt, differences)

    def _sources(self, refresh: Refresh) -> Sources:
        landing = self.shop.landing
        known = {landing.events_of(batch_id) for batch_id in refresh.batch_ids}
        files = landing.event_files()
        return Sources(
            [path for path in files if path in known],
            [path for path in files if path not in known],
            self.posted,
            landing.reference_file("items"),
        )

    def _explain(
        self,
        bundle: Path,
        refresh: Refresh,
        served: list[ServedFeatures],
        rebuilt: Rebuilt,
        differences: list[list[Difference]],
    ) -> None:
        differing = [number for number, found in enumerate(differences) if found]
        requests = [served[number] for number in differing]
        if not differing:
            return
        again = compute_features(bundle, logged_histories(requests), requests)
        offline = list(rebuilt.histories)
        for number, values in zip(differing, again, strict=True):
            request = served[number]
            cause = self._circumstances(bundle, refresh, request, values, number in rebuilt.in_part).cause
            self.comparison.blame(cause)
            if self.first is None or request.asked_at < self._first_at:
                self._first_at = request.asked_at
                self.first = FirstDifference(
                    request.request_id,
                    request.known.history.user_id,
                    from_micros(request.asked_at).isoformat(),
                    request.release,
                    differences[number][0],
                    cause,
                    describe_histories(request.known.history, offline[number]),
                )

    _first_at = 0

    def _circumstances(
        self, bundle: Path, refresh: Refresh, request: ServedFeatures, again: FeatureValues, in_part: bool
    ) -> Circumstances:
        landing = self.shop.landing
        return Circumstances(
            code_differs=bool(compare(request.features, again, self.tolerance)),
            same_view=sha256(views_of(bundle) / f"{VIEW}.sql") == refresh.view_sha256,
            same_catalog=sha256(landing.reference_file("items")) == refresh.items_sha256,
            all_batches=all(landing.events_of(batch_id).exists() for batch_id in refresh.batch_ids),
            in_part=in_part,
        )


def replay_features(settings: Settings, bundles: Sequence[Path] = ()) -> ReplayResult:
    """Replay every request in the log of served features.

    Args:
        settings: Where things are.
        bundles: Folders of bundles besides those of the releases.

    Raises:
        BundleError: A bundle is corrupt, or its code fails.
        FeatureError: The view of a bundle is refused.
        StorageError: The log or the state cannot be read, or there is no log.
    """
    return Replay(settings, bundles).run()


def find_bundles(settings: Settings, besides: Sequence[Path]) -> dict[str, Path]:
    """Folders of bundles by sha256: those of all releases whose Bento is there, and some more.

    Raises:
        BundleError: One of ``besides`` is no bundle.
    """
    releases = Ledger(settings.ledger).releases()
    found = {
        release.bundle_sha256: bundle
        for release in releases
        if ((bundle := release.bento_folder(settings.bentoml_home) / BUNDLE_IN_BENTO) / MANIFEST).is_file()
    }
    return found | {bundle_sha256(folder): folder for folder in besides}


def posted_events(state: ShopperState) -> pa.Table:
    """The event log as rows of the events contract with their ``seq``; ``ingested_at`` is ``occurred_at``.

    Raises:
        StorageError: It cannot be read.
    """
    posted = read_posted(state, 0, from_micros(0))
    events = posted.events.append_column("seq", pa.array(posted.numbers, pa.int64()))
    if "fault" in events.column_names:
        events = events.filter(events["fault"].is_null())
    events = events.select([*EVENTS.column_names, "seq"])
    place = events.column_names.index("ingested_at")
    # Posted is known: the endpoint's clock is never before the event, and what a request knew is told by `seq`.
    return events.set_column(place, "ingested_at", events["occurred_at"])


def _read_refreshes(state: ShopperState) -> dict[int, Refresh]:
    try:
        return state.refreshes()
    except StateError as error:
        raise StorageError(f"{error}; restart the endpoint and repeat") from error


def _read_log(path: Path) -> Iterator[ServedFeatures]:
    if not path.is_file():
        raise StorageError(
            f"{path}: expected the log of served features, found none; the endpoint makes it: start it with "
            "`shoploop up`, with SHOPLOOP_SERVED_FEATURES_SHARE above 0, and ask it for recommendations"
        )
    try:
        yield from read_served(path)
    except sqlite3.Error as error:
        raise StorageError(
            f"{path}: the log of served features cannot be read ({error}); move it away"
        ) from error
