"""Bodies of requests as the data plane takes them in."""

from typing import Any, TypeVar

import msgspec

from serving.schemas import (
    MAX_BATCH,
    ComplementsRequest,
    NewArrivalsRequest,
    PostedEvent,
    PromotionsRequest,
    PutItem,
    RankRequest,
    RecommendationsRequest,
    RefusalError,
    SearchRequest,
    SimilarItemsRequest,
)

T = TypeVar("T")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (
        RecommendationsRequest,
        SimilarItemsRequest,
        ComplementsRequest,
        NewArrivalsRequest,
        RankRequest,
        SearchRequest,
        PromotionsRequest,
        PostedEvent,
        list[PostedEvent],
        PutItem,
    )
}


def decode(body: bytes, kind: type[T]) -> T:
    """Read a request body.

    Raises:
        RefusalError: 400, with the path of the field, what was expected and what was found.
    """
    try:
        answer: T = _decoders[kind].decode(body)
    except msgspec.ValidationError as error:
        raise RefusalError(400, "invalid_request", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusalError(400, "malformed_json", f"The body is not JSON: {error}") from error
    return answer


def decode_events(body: bytes) -> list[PostedEvent]:
    """Read one event or a list of them.

    Raises:
        RefusalError: 400 when malformed, 413 when there are more than ``MAX_BATCH``.
    """
    events = decode(body, list[PostedEvent]) if body.lstrip()[:1] == b"[" else [decode(body, PostedEvent)]
    if len(events) > MAX_BATCH:
        raise RefusalError(
            413,
            "batch_too_large",
            f"Expected at most {MAX_BATCH} events in a batch, found {len(events)}; split it",
        )
    return events
