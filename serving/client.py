"""The endpoint for Python programs, each request and answer with its type: ``Client("http://127.0.0.1:3000")``.

It needs httpx and msgspec, and of shoploop only ``serving.schemas`` beside this file.
"""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from serving.schemas import (
    ComplementsRequest,
    ErrorAnswer,
    EventsAnswer,
    HealthAnswer,
    NewArrivalsRequest,
    PostedEvent,
    PromotionsAnswer,
    PromotionsRequest,
    PutItem,
    PutItemAnswer,
    RankRequest,
    RecommendationsAnswer,
    RecommendationsRequest,
    ReleaseAnswer,
    SearchRequest,
    SimilarItemsRequest,
)

T = TypeVar("T")
LONGEST_WAIT = 5.0
"""Seconds that ``Retry-After`` may ask for; an answer that comes later helps no page."""


class EndpointError(Exception):
    """The endpoint refused a request, or could not be reached.

    Attributes:
        status: HTTP status; 0 where there was no answer.
        error: A word for programs, as docs/api.md lists them; ``unreachable`` where there was no answer.
        request_id: Of the request in the endpoint's log; empty where there was no answer.
    """

    def __init__(self, status: int, error: str, message: str, request_id: str = "") -> None:
        super().__init__(f"{error}: {message}")
        self.status, self.error, self.request_id = status, error, request_id


class Client:
    """One endpoint; connections are kept, and threads may share it.

    A request that is refused with 429 is sent once more after the time that the answer asks for. Nothing else is
    repeated: posted events may be sent again by the caller, as each counts once by its ``event_id``.

    Args:
        address: Where it listens.
        key: Of ``shoploop keys``; empty where what is asked needs none.
        seconds: How long an answer may take.
    """

    def __init__(self, address: str = "http://127.0.0.1:3000", key: str = "", seconds: float = 5.0) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=seconds)

    def recommendations(self, request: RecommendationsRequest) -> RecommendationsAnswer:
        """Items for one shopper, for what lies before somebody, or for both."""
        return self._ask("POST", "/v1/recommendations", RecommendationsAnswer, request)

    def similar_items(self, request: SimilarItemsRequest) -> RecommendationsAnswer:
        """Items bought in the same baskets as one item."""
        return self._ask("POST", "/v1/similar-items", RecommendationsAnswer, request)

    def complements(self, request: ComplementsRequest) -> RecommendationsAnswer:
        """Items that complete a basket."""
        return self._ask("POST", "/v1/complements", RecommendationsAnswer, request)

    def new_arrivals(self, request: NewArrivalsRequest) -> RecommendationsAnswer:
        """Items that are new in the shop and to the shopper."""
        return self._ask("POST", "/v1/new-arrivals", RecommendationsAnswer, request)

    def rank(self, request: RankRequest) -> RecommendationsAnswer:
        """A list of the shop's own in the order that suits one shopper."""
        return self._ask("POST", "/v1/rank", RecommendationsAnswer, request)

    def search(self, request: SearchRequest) -> RecommendationsAnswer:
        """Items that match what a shopper typed."""
        return self._ask("POST", "/v1/search", RecommendationsAnswer, request)

    def promotions(self, request: PromotionsRequest) -> PromotionsAnswer:
        """Running campaigns for one shopper by the expected response; each that is answered counts as shown."""
        return self._ask("POST", "/v1/promotions", PromotionsAnswer, request)

    def events(self, events: Sequence[PostedEvent]) -> EventsAnswer:
        """Log up to 1,000 events; answers once they are on disk."""
        return self._ask("POST", "/v1/events", EventsAnswer, list(events))

    def put_item(self, item_id: str, item: PutItem) -> PutItemAnswer:
        """Say what is so of one item; in effect from the next answer on."""
        return self._ask("PUT", f"/v1/items/{quote(item_id, safe='')}", PutItemAnswer, item)

    def release(self) -> ReleaseAnswer:
        """Which release and model answer."""
        return self._ask("GET", "/v1/release", ReleaseAnswer)

    def readyz(self) -> HealthAnswer:
        """Whether a model is loaded; an :class:`EndpointError` of 503 where none is."""
        return self._ask("GET", "/readyz", HealthAnswer)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, path: str, kind: type[T], body: Any = None) -> T:
        content = None if body is None else _json(body)
        answer = self._send(method, path, content)
        if answer.status_code == 429:
            time.sleep(min(float(answer.headers.get("retry-after", 1.0)), LONGEST_WAIT))
            answer = self._send(method, path, content)
        if answer.status_code == 200:
            return msgspec.json.decode(answer.content, type=kind)
        try:
            said = msgspec.json.decode(answer.content, type=ErrorAnswer)
        except msgspec.DecodeError:  # a proxy before it has pages of its own
            raise EndpointError(answer.status_code, "no_answer", answer.text[:200]) from None
        raise EndpointError(answer.status_code, said.error, said.message, said.request_id)

    def _send(self, method: str, path: str, content: bytes | None) -> httpx.Response:
        try:
            return self._http.request(method, path, content=content)
        except httpx.HTTPError as error:
            message = f"{self._http.base_url}: {error or type(error).__name__}; is the endpoint up?"
            raise EndpointError(0, "unreachable", message) from error


def _json(body: Any) -> bytes:
    """What is left out stays out: the endpoint has its own defaults, and they may change."""

    def given(one: Any) -> Any:
        if isinstance(one, list):
            return [given(each) for each in one]
        if not isinstance(one, msgspec.Struct):
            return one
        values = ((field, getattr(one, field.name)) for field in msgspec.structs.fields(one))
        return {field.name: given(value) for field, value in values if value != field.default}

    return msgspec.json.encode(given(body))
