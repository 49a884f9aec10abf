"""Every route once: the server, the OpenAPI document and the docs page are made from this table."""

from typing import Any, Literal

import msgspec

from serving.event_log import EventsQuery
from serving.keys import Scope
from serving.mirror import SHADOW_PATH
from serving.schemas import (
    ComplementsRequest,
    EventsAnswer,
    HealthAnswer,
    NewArrivalsRequest,
    PostedEvent,
    Promotion,
    PromotionsAnswer,
    PromotionsRequest,
    PutItem,
    PutItemAnswer,
    RankRequest,
    RecommendationsAnswer,
    RecommendationsRequest,
    RecommendedItem,
    ReleaseAnswer,
    SearchRequest,
    SimilarItemsRequest,
)


class Route(msgspec.Struct, frozen=True):
    """One path and method.

    Attributes:
        handler: Method of the data plane that answers.
        request: Type of the body, None where there is none.
        answer: Type of the answer, None for plain text.
        example: A request body and the answer it may get.
        refusals: Status codes beside 200 and what they mean here.
        query: Type of the query string, None where there is none.
        needs: Scope that a key has to have, where the scope is not open; empty for what everybody may.
        parameter: What the last part of the path names, in braces there; empty for a path that is as it stands.
        kind: Content type of an answer that is bytes.
    """

    method: str
    path: str
    handler: str
    summary: str
    request: Any = None
    answer: Any = None
    example: tuple[Any, Any] = (None, None)
    refusals: dict[int, str] = {}
    query: Any = None
    needs: Scope | Literal[""] = ""
    parameter: str = ""
    kind: bytes = b"text/plain; version=0.0.4; charset=utf-8"

    @property
    def makes_list(self) -> bool:
        """Whether its answer is a list of items, which takes the model's work."""
        return self.answer is RecommendationsAnswer


_KEY_REFUSALS = {
    401: "No key was given, or one that is not known.",
    403: "The key is for something else, or nobody has one for this.",
    429: "The key asks more often than it may; the header `Retry-After` says when to ask again.",
}
_BODY_REFUSALS = {
    **_KEY_REFUSALS,
    400: "Not JSON, or a field is unknown, missing, or of the wrong type or range; the message says.",
    408: "The body did not arrive in time.",
    413: "The body or the batch is too large.",
    503: "There is no usable model; the message names the file.",
}
_LIST_REFUSALS = {
    **_BODY_REFUSALS,
    429: "Too many wait for their lists already, or the key asks more often than it may; the header `Retry-After`"
    " says when to ask again.",
}
_NOT_READY = {503: "There is no usable model; the message names the file."}
_ITEM = RecommendedItem("1029743", "FLUID MILK WHITE ONLY, National, 1 GA", 1.8421, "you bought it 12 times")
_SIMILAR = RecommendedItem(
    "1106523", "FLUID MILK WHITE ONLY, Private, 1 GA", 0.1123, "bought with it in 41 baskets"
)
_COMPLEMENT = RecommendedItem(
    "1082185", "BANANAS", 0.4127, "with FLUID MILK in 812 baskets, 1.9 times as often as by chance"
)
_NEW = RecommendedItem(
    "15927033", "Yogurt, national brand, 6 oz", 0.6312, "new here for 12 days, in 31 baskets of late"
)
_PROMOTION = Promotion(
    "18", "10000085478", 0.1834, "2017-12-25T05:00:00+00:00", ["1029743", "1106523"],
    "you bought 5 of its 40 items in the last 8 weeks",
)  # fmt: skip
_EVENT = {
    "event_id": "order-77-1",
    "user_id": "1",
    "event_type": "purchase",
    "item_id": "1029743",
    "quantity": 2,
    "value": 5.98,
    "basket_id": "order-77",
}


def _list(source: str, item: RecommendedItem) -> RecommendationsAnswer:
    return RecommendationsAnswer("6f1c2e", "r-44-1a2b3c4d", "champion", source, [item])


ROUTES = (
    Route(
        "POST", "/v1/recommendations", "recommendations",
        "Items for one shopper, for what lies before somebody (a cart, a page, a session), or for both, with reasons.",
        RecommendationsRequest, RecommendationsAnswer,
        ({"user_id": "1", "k": 10}, _list("blend", _ITEM)), _LIST_REFUSALS, needs="read",
    ),
    Route(
        "POST", SHADOW_PATH, "shadow_recommendations",
        "The same for a shopper who is not shown it: nothing is logged. A candidate is compared by it.",
        RecommendationsRequest, RecommendationsAnswer,
        ({"user_id": "1", "k": 10}, _list("blend", _ITEM)), _LIST_REFUSALS, needs="read",
    ),
    Route(
        "POST", "/v1/similar-items", "similar_items",
        "Items bought in the same baskets as one item.",
        SimilarItemsRequest, RecommendationsAnswer,
        ({"item_id": "1029743", "k": 10}, _list("cooccurrence", _SIMILAR)), _LIST_REFUSALS, needs="read",
    ),
    Route(
        "POST", "/v1/complements", "complements",
        "Items that complete a basket, with how often they were bought together and how much oftener than by chance.",
        ComplementsRequest, RecommendationsAnswer,
        ({"items": ["1029743", "1106523"], "user_id": "1", "k": 10}, _list("complements", _COMPLEMENT)),
        _LIST_REFUSALS, needs="read",
    ),
    Route(
        "POST", "/v1/new-arrivals", "new_arrivals",
        "Items that are new in the shop and to the shopper, with how long they are and how often they were bought.",
        NewArrivalsRequest, RecommendationsAnswer,
        ({"user_id": "1", "k": 10}, _list("blend", _NEW)), _LIST_REFUSALS, needs="read",
    ),
    Route(
        "POST", "/v1/rank", "rank",
        "A list of the shop's own in the order that suits one shopper; what is hidden or out of stock is left out.",
        RankRequest, RecommendationsAnswer,
        ({"user_id": "1", "items": ["1106523", "1029743"]}, _list("blend", _ITEM)), _LIST_REFUSALS, needs="read",
    ),
    Route(
        "POST", "/v1/search", "search",
        "Items that match what a shopper typed, in the order that suits the shopper.",
        SearchRequest, RecommendationsAnswer,
        ({"query": "milk", "user_id": "1", "k": 10}, _list("search", _ITEM)), _LIST_REFUSALS, needs="read",
    ),
    Route(
        "POST", "/v1/promotions", "promotions",
        "Running campaigns for one shopper by the expected response, within their limits; an answer counts as shown.",
        PromotionsRequest, PromotionsAnswer,
        ({"user_id": "1", "k": 3}, PromotionsAnswer("6f1c2e", "r-44-1a2b3c4d", "champion", "response", [_PROMOTION])),
        {
            **_BODY_REFUSALS,
            409: "`uplift` was asked for, and no campaign has a randomised holdout.",
            503: "There is no usable model, or what was shown cannot be counted; the message says.",
        },
        needs="read",
    ),
    Route(
        "POST", "/v1/events", "events",
        "Log one event or a list of up to 1,000; idempotent by event_id, answered once they are on disk.",
        PostedEvent | list[PostedEvent], EventsAnswer,
        (_EVENT, EventsAnswer("6f1c2e", accepted=1, duplicates=0)),
        {**_BODY_REFUSALS, 503: "The event log cannot be written; send the same again."}, needs="events",
    ),
    Route(
        "GET", "/v1/events", "event_log",
        "The event log after a sequence number, in the order of arrival: one event a line, with its `seq`.",
        refusals={
            400: "A parameter is unknown or out of range; the message says.",
            **_KEY_REFUSALS,
            503: "The log cannot be read at the moment.",
        },
        query=EventsQuery, needs="log", kind=b"application/x-ndjson",
    ),
    Route(
        "PUT", "/v1/items/{item_id}", "put_item",
        "Say what is so of one item, known or new, from the next answer on. What is hidden or sold out is in no list.",
        PutItem, PutItemAnswer,
        ({"stock": 0}, PutItemAnswer("6f1c2e", "1029743", is_shown=False)),
        {**_BODY_REFUSALS, 503: "It cannot be written; send the same again."},
        needs="admin", parameter="item_id",
    ),
    Route(
        "GET", "/v1/release", "release", "Which release and model answer here.",
        answer=ReleaseAnswer,
        example=(None, ReleaseAnswer("r-44-1a2b3c4d", "champion", "1a2b3c4d" * 8, {"week": 44})),
        refusals=_NOT_READY,
    ),
    Route("GET", "/healthz", "healthz", "200 while the process lives.", answer=HealthAnswer,
          example=(None, HealthAnswer("alive", "r-44-1a2b3c4d"))),
    Route("GET", "/readyz", "readyz", "200 once a model is loaded.", answer=HealthAnswer,
          example=(None, HealthAnswer("ready", "r-44-1a2b3c4d")), refusals=_NOT_READY),
    Route("GET", "/metrics", "exposition", "Prometheus metrics."),
)  # fmt: skip
