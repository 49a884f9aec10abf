"""Requests and answers of the data plane: strict, unknown fields are refused by name."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MAX_BODY_BYTES = 1 << 20
MAX_BATCH = 1000
MAX_K = 100
MAX_EXCLUDED = 10_000
MAX_BASKET = 500
MAX_RANKED = 1000
MAX_QUERY = 256
MAX_IDENTIFIER = 128

Identifier = Annotated[str, Meta(min_length=1, max_length=MAX_IDENTIFIER)]
Count = Annotated[int, Meta(ge=1, le=MAX_K, description="How many items to answer with.")]
Moment = Annotated[datetime, Meta(tz=True)]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every request body."""


Name = Annotated[str, Meta(min_length=1, max_length=256)]
Names = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=100)]


MAX_PRICE = 1e6
"""As much as the contract of ``events`` lets a shopper pay."""


class PriceRange(Request, frozen=True):
    """From the one price to the other, both in it."""

    min: Annotated[float, Meta(ge=0, le=MAX_PRICE, description="In the shop's currency.")] = 0.0
    max: Annotated[float, Meta(ge=0, le=MAX_PRICE, description="In the shop's currency.")] = MAX_PRICE

    def __post_init__(self) -> None:
        """Refuse a range that no price is in."""
        if self.min > self.max:
            raise ValueError(f"`min` is {self.min:g}, expected at most `max`, {self.max:g}")


class Only(Request, frozen=True):
    """Which items may be in a list: of each attribute that is given, one of its names. The catalog's own words."""

    department: Annotated[Names | None, Meta(description="One of these, as the catalog writes it.")] = None
    category: Annotated[Names | None, Meta(description="Second level of the catalog's tree.")] = None
    type: Annotated[Names | None, Meta(description="Third level.")] = None
    brand: Annotated[Names | None, Meta(description="The brand.")] = None
    price: Annotated[
        PriceRange | None,
        Meta(description="By what was put last, else paid last. What has no known price is left out."),
    ] = None

    def wanted(self) -> dict[str, tuple[str, ...]]:
        """The attributes that are given; the price is none of them."""
        named = ((name, getattr(self, name)) for name in self.__struct_fields__ if name != "price")
        return {name: names for name, names in named if names is not None}


Excluded = Annotated[tuple[Identifier, ...], Meta(max_length=MAX_EXCLUDED, description="Items to leave out.")]
Chosen = Annotated[
    Only | None, Meta(description="Only items with these attributes; a list that none has is empty.")
]


class ListRequest(Request, frozen=True, kw_only=True):
    """What every request for a list may say beside what it is about."""

    k: Count = 10
    only: Chosen = None
    exclude: Excluded = ()


class Boost(Request, frozen=True):
    """More, or less, of some items."""

    only: Annotated[Only, Meta(description="Which items.")]
    factor: Annotated[
        float, Meta(ge=0.5, le=2.0, description="What their score is multiplied with, from 0.5 to 2.")
    ]


class Diversity(Request, frozen=True):
    """What each ten places have to keep; a list is filled all the same."""

    same_type_limit: Annotated[
        Annotated[int, Meta(ge=1, le=10)] | None, Meta(description="Places that one type takes at most.")
    ] = None
    repeat_limit: Annotated[
        Annotated[int, Meta(ge=0, le=10)] | None,
        Meta(description="Places that things bought before take at most."),
    ] = None


Context = Literal["home", "product", "cart", "checkout", "email"]


class RecommendationsRequest(ListRequest, frozen=True):
    """Items for one shopper, for what lies before somebody, or for both."""

    user_id: Annotated[
        Identifier | None,
        Meta(
            description="The shopper; without one, or for an unknown one, `items` alone count, then popularity."
        ),
    ] = None
    items: Annotated[
        tuple[Identifier, ...],
        Meta(
            max_length=MAX_BASKET,
            description="What lies before the shopper: in the cart, on the page, or looked at in a session without "
            "an account. The list goes with it and holds none of it.",
        ),
    ] = ()
    context: Annotated[
        Context | None, Meta(description="Where the list is shown; kept in the impression log, no more.")
    ] = None
    boost: Annotated[
        tuple[Boost, ...],
        Meta(max_length=10, description="What the shop wants more or less of; factors multiply."),
    ] = ()
    diversity: Annotated[
        Diversity | None, Meta(description="Instead of the rules that the release was judged with.")
    ] = None


class SimilarItemsRequest(ListRequest, frozen=True):
    """Items that go with one item."""

    item_id: Annotated[Identifier, Meta(description="The item; an unknown one is answered by popularity.")]


class ComplementsRequest(ListRequest, frozen=True):
    """Items that complete a basket."""

    items: Annotated[
        tuple[Identifier, ...],
        Meta(
            min_length=1,
            max_length=MAX_BASKET,
            description="What is in the basket; none of it is in the list.",
        ),
    ]
    user_id: Annotated[
        Identifier | None, Meta(description="Whose basket it is; without one the basket alone counts.")
    ] = None


class NewArrivalsRequest(ListRequest, frozen=True):
    """Items that are new in the shop."""

    user_id: Annotated[
        Identifier | None,
        Meta(
            description="Whose taste orders them, without what the shopper bought; popularity does when left out."
        ),
    ] = None


class RankRequest(Request, frozen=True):
    """The shop's own list, to be put in order."""

    user_id: Annotated[
        Identifier, Meta(description="The shopper; for an unknown one the order is by popularity.")
    ]
    items: Annotated[
        tuple[Identifier, ...],
        Meta(
            min_length=1,
            max_length=MAX_RANKED,
            description="The list; what the model does not know stands last, as it was given.",
        ),
    ]


class SearchRequest(ListRequest, frozen=True):
    """Items that match what a shopper typed."""

    query: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_QUERY,
            description="Words; the last may be unfinished. None matching: no items.",
        ),
    ]
    user_id: Annotated[
        Identifier | None, Meta(description="Whose taste orders what matches; popularity does when left out.")
    ] = None


class PromotionsRequest(Request, frozen=True):
    """Running campaigns for one shopper."""

    user_id: Annotated[
        Identifier,
        Meta(description="The shopper; for an unknown one, the rate of each campaign's type counts."),
    ]
    k: Annotated[int, Meta(ge=1, le=MAX_K, description="How many campaigns to answer with.")] = 10
    by: Annotated[
        Literal["response", "uplift"],
        Meta(description="`uplift` is refused: no campaign has a randomised holdout to tell it from."),
    ] = "response"


EventType = Literal["purchase", "view", "cart", "rating", "search", "redemption", "impression", "return"]
ABOUT_AN_ITEM = frozenset({"purchase", "view", "cart", "rating", "impression", "return"})
Reference = Annotated[str, Meta(min_length=1, max_length=128)]
Money = Annotated[float, Meta(ge=-1e6, le=1e6)]


class PostedEvent(Request, frozen=True):
    """Something a shopper did. Idempotent: an ``event_id`` seen before changes nothing."""

    event_id: Annotated[Identifier, Meta(description="Chosen by the sender; repeating it is harmless.")]
    user_id: Identifier
    event_type: EventType
    item_id: Annotated[Reference | None, Meta(description="Needed unless it is a search or redemption.")] = (
        None
    )
    basket_id: Annotated[Reference | None, Meta(description="The order; items of one order share it.")] = None
    quantity: Annotated[
        Annotated[float, Meta(gt=0, le=1e6)] | None,
        Meta(description="Of a purchase or return; 1 when left out."),
    ] = None
    value: Annotated[
        Money | None,
        Meta(description="What was paid for the line; of a return, paid back; of a rating, the rating."),
    ] = None
    discount: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    store_id: Reference | None = None
    campaign_id: Reference | None = None
    coupon_id: Reference | None = None
    corrects: Annotated[
        Reference | None, Meta(description="The event_id of an earlier event that this one replaces.")
    ] = None
    occurred_at: Annotated[
        Moment | None,
        Meta(
            description="With its time zone; the shop clock's now when left out or up to 5 minutes ahead of it."
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse what the contract of ``events`` would put into quarantine."""
        if self.item_id is None and self.event_type in ABOUT_AN_ITEM:
            raise ValueError(f"`item_id` is needed when event_type is {self.event_type}")


class PutItem(Request, frozen=True, omit_defaults=True):
    """What is so of an item from now on; it replaces all that was put before, so what is left out is as it was."""

    stock: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000_000)] | None,
        Meta(description="Pieces left; with 0 it is not shown. Not counted when left out."),
    ] = None
    hidden: Annotated[bool, Meta(description="Not shown, whatever is in stock.")] = False
    price: Annotated[
        Annotated[float, Meta(gt=0, le=MAX_PRICE)] | None,
        Meta(description="In the shop's currency. What was paid last when left out."),
    ] = None
    title: Annotated[
        Annotated[str, Meta(min_length=1, max_length=512)] | None,
        Meta(
            description="With one, an item that no release knows yet is among the new arrivals and in searches."
        ),
    ] = None
    department: Annotated[
        Name | None, Meta(description="Of such an item; where the release knows one, its own words count.")
    ] = None
    category: Annotated[Name | None, Meta(description="The same.")] = None
    type: Annotated[
        Name | None, Meta(description="The same; shoppers who bought things of it see it first.")
    ] = None
    brand: Annotated[Name | None, Meta(description="The same.")] = None

    @property
    def is_withheld(self) -> bool:
        """Whether no list may hold it."""
        return self.hidden or self.stock == 0


class PutItemAnswer(msgspec.Struct, frozen=True):
    """The item as it is now; sent after it is on disk."""

    request_id: str
    item_id: str
    is_shown: bool


class RecommendedItem(msgspec.Struct, frozen=True):
    """One place in the answer."""

    item_id: str
    title: str
    score: float
    reason: str


class RecommendationsAnswer(msgspec.Struct, frozen=True):
    """A ranked list, and which step of the fallback chain made it."""

    request_id: str
    release: str
    variant: str
    source: str
    items: list[RecommendedItem]


class Promotion(msgspec.Struct, frozen=True):
    """A running campaign, and its coupon that suits the shopper best, with items that it is good for."""

    campaign_id: str
    coupon_id: str
    probability: float
    ends_at: str
    items: list[str]
    reason: str


class PromotionsAnswer(msgspec.Struct, frozen=True):
    """Running campaigns by the expected response; each counts as shown. ``message`` says why one is left out."""

    request_id: str
    release: str
    variant: str
    source: str
    promotions: list[Promotion]
    message: str = ""


class EventsAnswer(msgspec.Struct, frozen=True):
    """What became of posted events; sent after they are on disk."""

    request_id: str
    accepted: int
    duplicates: int


class ReleaseAnswer(msgspec.Struct, frozen=True):
    """What this process serves."""

    release: str
    variant: str
    bundle_sha256: str
    model: dict[str, Any]


class HealthAnswer(msgspec.Struct, frozen=True):
    """Whether the process lives, or is ready, and if not why."""

    status: str
    release: str
    message: str = ""


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Why a request was refused and what to change."""

    error: str
    message: str
    request_id: str


class RefusalError(Exception):
    """A request that cannot be answered as asked.

    Args:
        status: HTTP status, 4xx, or 503 while there is no model.
        error: A word for programs.
        message: A sentence for people, naming the field.
        retry_after: Seconds after which the same may be let through; 0 where waiting does not help.
    """

    def __init__(self, status: int, error: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.error, self.message, self.retry_after = status, error, message, retry_after
