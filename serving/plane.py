"""What the data plane does for each route, apart from HTTP."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from pipelines.domain import BundleError, History, RankedList
from pipelines.ranking.feature_values import NOTHING
from serving.clock import ServingClock, iso, micros
from serving.decoding import decode, decode_events
from serving.environment import Environment
from serving.event_log import read_log, read_query
from serving.impressions import Impression, ImpressionLog
from serving.metrics import Metrics, read_progress
from serving.mirror import Mirror
from serving.promotions import no_holdout, nothing_to_show, promotion
from serving.recommender import Choice, Recommender
from serving.said import Said
from serving.schemas import (
    MAX_IDENTIFIER,
    ComplementsRequest,
    EventsAnswer,
    HealthAnswer,
    ListRequest,
    NewArrivalsRequest,
    PostedEvent,
    PromotionsAnswer,
    PromotionsRequest,
    PutItem,
    PutItemAnswer,
    RankRequest,
    RecommendationsAnswer,
    RecommendationsRequest,
    RefusalError,
    ReleaseAnswer,
    SearchRequest,
    SimilarItemsRequest,
)
from serving.served_features import ServedFeatureLog, ServedFeatures
from serving.showings import Shown, Wish, moment_before
from serving.state import Known, LoggedEvent, StateError
from serving.stores import open_state
from serving.watched_word import WatchedWord

SHADOW = "shadow"
"""Variant of an answer that no shopper sees."""
CLOCK_SKEW = 300_000_000  # a sender's clock may be this many microseconds ahead of the shop's

WARM_UP = 100
"""Answers of the impression log whose shoppers get a list before the process is ready."""
NOTHING_SHOWN = Shown((), ())
UNREADABLE = (StateError, msgspec.DecodeError, ValueError)

logger = logging.getLogger("serving")


class DataPlane:
    """One release, its shoppers and its logs.

    A bundle that cannot be used does not stop the process: it stays up, never becomes ready, and every answer
    that needs a model says which file is at fault.

    Args:
        environment: Where everything is.

    Raises:
        ClockError: The shop clock is named and cannot be read.
        ValueError: The URL of the state names no store.
        StateError: The state file cannot be opened. A Redis that is away is no reason not to start.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._clock = ServingClock(environment.clock_file)
        self._variant = WatchedWord(environment.variant_file, environment.variant)
        self._state = open_state(environment.state_url, environment.state_file, environment.state_may_be_lost)
        self._state.open()
        self._impressions = ImpressionLog(environment.impressions_file)
        self._served = ServedFeatureLog(
            environment.served_features_file,
            environment.served_features_share,
            environment.served_features_mib,
        )
        self.metrics = Metrics()
        self._mirror = Mirror(environment.mirror_file, self.metrics, environment.admin_token)
        self._recommender, self._fault = _load(environment)
        if self._recommender is not None:
            self._warm_up(self._recommender)
        self.metrics.ready.set(self._recommender is not None)

    def _warm_up(self, model: Recommender) -> None:
        """Make the lists of those who were served last, so that nobody waits for what is made once."""
        for user_id in self._impressions.latest_shoppers(WARM_UP):
            model.recommend(self._history(user_id), self._clock.now(), 10)

    def pass_through(self, wrapped: Callable[[Any], Any]) -> None:
        """Have state, model and logs asked through something that does the same."""
        self._state, self._recommender = (
            wrapped(self._state),
            self._recommender and wrapped(self._recommender),
        )
        self._impressions, self._served = wrapped(self._impressions), wrapped(self._served)

    def close(self) -> None:
        """Write what waits and let go of the files."""
        self._impressions.close()
        self._served.close()
        self._state.close()

    async def recommendations(self, body: bytes, request_id: str) -> RecommendationsAnswer:
        """Items for one shopper."""
        request = decode(body, RecommendationsRequest)
        model, now = self._model(), self._clock.now()
        if request.user_id and not request.items and self._served.wants(request_id):
            ranked = self._observed(model, request, request.user_id, request_id, now)
        else:
            ranked = self._recommended(model, request, now)
        scenario = f"recommendations.{request.context}" if request.context else "recommendations"
        answer = self._answer(model, ranked, request_id, scenario, request.user_id, now)
        self._mirror.offer(body, tuple(place.item_id for place in ranked.items))
        return answer

    async def shadow_recommendations(self, body: bytes, request_id: str) -> RecommendationsAnswer:
        """The same list for a shopper who is not shown it: nothing is logged."""
        request = decode(body, RecommendationsRequest)
        model = self._model()
        ranked = self._recommended(model, request, self._clock.now())
        return RecommendationsAnswer(
            request_id, self._environment.release_id, SHADOW, ranked.source, model.named(ranked)
        )

    async def similar_items(self, body: bytes, request_id: str) -> RecommendationsAnswer:
        """Items that go with one item."""
        request = decode(body, SimilarItemsRequest)
        model = self._model()
        ranked = model.similar(request.item_id, request.k, self._choice(request))
        return self._answer(model, ranked, request_id, "similar_items", None, self._clock.now())

    async def complements(self, body: bytes, request_id: str) -> RecommendationsAnswer:
        """Items that complete a basket."""
        request = decode(body, ComplementsRequest)
        model, now = self._model(), self._clock.now()
        history = self._asking(request.user_id)
        ranked = model.complements(request.items, request.k, self._choice(request), history, now)
        return self._answer(model, ranked, request_id, "complements", request.user_id, now)

    async def new_arrivals(self, body: bytes, request_id: str) -> RecommendationsAnswer:
        """Items that are new in the shop, in the order that suits a shopper."""
        request = decode(body, NewArrivalsRequest)
        model, now = self._model(), self._clock.now()
        ranked = model.new_arrivals(self._asking(request.user_id), now, request.k, self._choice(request))
        return self._answer(model, ranked, request_id, "new_arrivals", request.user_id, now)

    async def rank(self, body: bytes, request_id: str) -> RecommendationsAnswer:
        """The shop's own list in the order that suits a shopper."""
        request = decode(body, RankRequest)
        model, now = self._model(), self._clock.now()
        ranked = model.rank(self._history(request.user_id), now, request.items, self._said().withheld)
        return self._answer(model, ranked, request_id, "rank", request.user_id, now)

    async def search(self, body: bytes, request_id: str) -> RecommendationsAnswer:
        """Items that match what a shopper typed."""
        request = decode(body, SearchRequest)
        model, now = self._model(), self._clock.now()
        history = self._asking(request.user_id)
        ranked = model.search(request.query, history, now, request.k, self._choice(request))
        return self._answer(model, ranked, request_id, "search", request.user_id, now)

    async def promotions(self, body: bytes, request_id: str) -> PromotionsAnswer:
        """Running campaigns for a shopper, within their limits; answers after it is on disk that they are shown."""
        request = decode(body, PromotionsRequest)
        campaigns, now = self._model().campaigns, self._clock.now()
        running = [one.campaign_id for one in campaigns.running(now)]
        if request.by == "uplift":
            raise RefusalError(409, "no_holdout", no_holdout(running))
        history, redeemed = self._history(request.user_id), self._redeemed(request.user_id)
        offers = {
            offer.campaign.campaign_id: offer
            for offer in campaigns.offers(history, redeemed, now, self._said().withheld)
        }
        wishes = [(name, campaigns.limits(name)) for name in offers]
        wish = Wish(request.user_id, now, request.k, wishes, moment_before(now, campaigns.longest_days))
        shown = await self._show(wish) if offers else NOTHING_SHOWN
        source, variant = ("response" if len(history.items) else "type_rate"), self._variant()
        self.metrics.answers.labels(source, variant).inc()
        return PromotionsAnswer(
            request_id,
            self._environment.release_id,
            variant,
            source,
            [promotion(offers[name]) for name in shown.campaign_ids],
            "; ".join(shown.kept_back) if offers else nothing_to_show(running),
        )

    async def events(self, body: bytes, request_id: str) -> EventsAnswer:
        """Log events; answers after they are on disk."""
        now = self._clock.now()
        events = [_logged(event, position, now) for position, event in enumerate(decode_events(body))]
        try:
            accepted = await self._state.append(events)
        except StateError as error:
            raise RefusalError(
                503,
                "event_log_unavailable",
                f"Not acknowledged ({error}); send the same events again later",
            ) from error
        self.metrics.events.labels("accepted").inc(accepted)
        self.metrics.events.labels("duplicate").inc(len(events) - accepted)
        return EventsAnswer(request_id, accepted, len(events) - accepted)

    async def put_item(self, body: bytes, request_id: str, item_id: str) -> PutItemAnswer:
        """Say what is so of an item; answers after it is on disk."""
        if len(item_id) > MAX_IDENTIFIER:
            raise RefusalError(
                400, "invalid_request", f"item_id: expected at most {MAX_IDENTIFIER} characters"
            )
        item = decode(body, PutItem)
        try:
            await self._state.put(item_id, item)
        except StateError as error:
            raise RefusalError(
                503, "items_unavailable", f"Not acknowledged ({error}); send the same again later"
            ) from error
        return PutItemAnswer(request_id, item_id, not item.is_withheld)

    async def event_log(self, query: bytes, _: str) -> bytes:
        """What was posted after a sequence number; read in a thread, since the loop has requests to answer."""
        return await asyncio.to_thread(read_log, self._state, read_query(query))

    async def release(self, _: bytes, __: str) -> ReleaseAnswer:
        """What this process serves."""
        model = self._model()
        return ReleaseAnswer(self._environment.release_id, self._variant(), model.sha256, model.manifest)

    async def healthz(self, _: bytes, __: str) -> HealthAnswer:
        """The process lives, with or without a model."""
        return HealthAnswer("alive", self._environment.release_id)

    async def readyz(self, _: bytes, __: str) -> HealthAnswer:
        """Ready for traffic: a model is loaded."""
        self._model()
        return HealthAnswer("ready", self._environment.release_id)

    async def exposition(self, _: bytes, __: str) -> bytes:
        """Prometheus metrics; the state is read in a thread, since the loop has requests to answer."""
        told, model = self.metrics, self._recommender
        progress = await asyncio.to_thread(read_progress, self._state)
        told.note_ages(self._clock.now(), model.manifest if model else {}, progress)
        told.note_release(self._environment.release_id, self._variant(), model.sha256 if model else "")
        told.note_logs(events=self._state, impressions=self._impressions, served_features=self._served)
        told.impressions_lost.set(self._impressions.lost)
        told.served_features_lost.set(self._served.lost)
        return told.exposition()

    def _model(self) -> Recommender:
        if self._recommender is None:
            raise RefusalError(503, "model_not_loaded", self._fault)
        return self._recommender

    def _recommended(self, model: Recommender, request: RecommendationsRequest, now: int) -> RankedList:
        history, choice = self._asking(request.user_id), self._wished(request)
        if request.items:
            return model.complements(request.items, request.k, choice, history, now)
        return model.recommend(history, now, request.k, choice)

    def _asking(self, user_id: str | None) -> History:
        return History.empty("") if user_id is None else self._history(user_id)

    def _history(self, user_id: str) -> History:
        try:
            return self._state.history(user_id)
        except UNREADABLE as error:
            self._note_unreadable(error)
            return History.empty(user_id)

    def _wished(self, request: RecommendationsRequest) -> Choice:
        return replace(self._choice(request), boosts=request.boost, diversity=request.diversity)

    def _choice(self, request: ListRequest) -> Choice:
        return Choice(self._said(), request.only, request.exclude)

    def _said(self) -> Said:
        try:
            return self._state.said()
        except UNREADABLE as error:
            logger.error("items cannot be read, going by what was known of them: %s", _words(error))
            self.metrics.state_errors.inc()
            return self._state.said_before()

    def _redeemed(self, user_id: str) -> frozenset[str]:
        try:
            return self._state.redeemed(user_id)
        except UNREADABLE as error:
            self._note_unreadable(error)
            return frozenset()

    async def _show(self, wish: Wish) -> Shown:
        try:
            return await self._state.show(wish)
        except StateError as error:
            message = f"Nothing is shown, as its limits cannot be counted ({error}); ask again later"
            raise RefusalError(503, "showings_unavailable", message) from error

    def _known(self, user_id: str) -> Known:
        try:
            return self._state.known(user_id)
        except UNREADABLE as error:
            self._note_unreadable(error)
            return Known.unread(user_id)

    def _note_unreadable(self, error: Exception) -> None:
        logger.error("shopper state cannot be read, answering without history: %s", _words(error))
        self.metrics.state_errors.inc()

    def _observed(
        self, model: Recommender, request: RecommendationsRequest, user_id: str, request_id: str, now: int
    ) -> RankedList:
        """A list, and what it was computed from to the log."""
        known, seen = self._known(user_id), [NOTHING]
        ranked = model.recommend(known.history, now, request.k, self._wished(request), seen.append)
        release, variant = self._environment.release_id, self._variant()
        self._served.add(
            ServedFeatures(request_id, now, release, variant, model.sha256, ranked.source, known, seen[-1])
        )
        return ranked

    def _answer(
        self,
        model: Recommender,
        ranked: RankedList,
        request_id: str,
        scenario: str,
        user_id: str | None,
        now: int,
    ) -> RecommendationsAnswer:
        release, variant = self._environment.release_id, self._variant()
        item_ids = tuple(place.item_id for place in ranked.items)
        self._impressions.add(
            Impression(request_id, now, scenario, user_id, release, variant, ranked.source, item_ids)
        )
        self.metrics.answers.labels(ranked.source, variant).inc()
        named = model.named(ranked, self._state.said_before())
        return RecommendationsAnswer(request_id, release, variant, ranked.source, named)


def _words(error: Exception) -> str:
    """A store words its errors for the log; others may quote what it holds of a shopper."""
    return str(error) if isinstance(error, StateError) else type(error).__name__


def _load(environment: Environment) -> tuple[Recommender | None, str]:
    try:
        return Recommender(environment.bundle), ""
    except BundleError as error:
        logger.error("no usable model, not ready: %s", error)
        return None, str(error)


def _logged(event: PostedEvent, position: int, now: int) -> LoggedEvent:
    occurred_at = now if event.occurred_at is None else micros(event.occurred_at)
    if not 0 <= occurred_at <= now + CLOCK_SKEW:
        found = event.occurred_at.isoformat() if event.occurred_at else iso(now)
        raise RefusalError(
            400,
            "date_out_of_range",
            f"occurred_at of event {position} ({event.event_id!r}): expected between 1970 and the shop's now,"
            f" {iso(now)}, found {found}",
        )
    # Validation quarantines what lies in the future of its batch, and the batch may land before that moment comes.
    occurred_at = min(occurred_at, now)
    body = {name: value for name, value in msgspec.to_builtins(event).items() if value is not None}
    body["occurred_at"] = iso(occurred_at)
    if event.event_type in ("purchase", "return"):
        body.setdefault("quantity", 1.0)
    if event.event_type == "purchase":
        body.setdefault("basket_id", f"posted-{event.user_id}-{occurred_at}")
    return LoggedEvent(event.event_id, event.event_type, occurred_at, body)


def new_request_id() -> str:
    """An id nobody used before."""
    return uuid.uuid4().hex
