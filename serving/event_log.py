"""The event log as a stream: what was posted after a sequence number, one JSON object a line."""

import json
from urllib.parse import parse_qsl

import msgspec

from serving.schemas import RefusalError
from serving.state import PostedRow, ShopperState, StateError

MOST_LINES = 5_000


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the log."""

    after: int = 0
    limit: int = 1_000

    def __post_init__(self) -> None:
        """Refuse what no log has."""
        if not 0 <= self.after < 1 << 63:
            raise ValueError("`after` is a sequence number of the log, 0 for its beginning")
        if not 1 <= self.limit <= MOST_LINES:
            raise ValueError(f"`limit` is between 1 and {MOST_LINES}")


def read_query(query: bytes) -> EventsQuery:
    """Read ``after`` and ``limit``.

    Raises:
        RefusalError: 400, with the name at fault.
    """
    try:
        return msgspec.convert(dict(parse_qsl(query.decode("latin-1"))), EventsQuery, strict=False)
    except msgspec.ValidationError as error:
        raise RefusalError(400, "invalid_request", str(error)) from error


def read_log(state: ShopperState, query: EventsQuery) -> bytes:
    """Lines of the log.

    Raises:
        RefusalError: 503, the store cannot be read.
    """
    try:
        rows = state.posted(query.after, query.limit)
    except StateError as error:
        raise RefusalError(503, "event_log_unavailable", f"{error}; ask again later") from error
    return b"".join(_line(row) for row in rows)


def _line(row: PostedRow) -> bytes:
    """A body is an object as it was logged; one that is none cannot come from here, and its reader will say so."""
    seq, event_id, body, received_at = row
    head = f'{{"seq": {seq}, "received_at": {json.dumps(received_at)}'
    if body.startswith("{") and len(body) > len("{}"):
        return f"{head}, {body[1:]}\n".encode()
    return f'{head}, "event_id": {json.dumps(event_id)}, "unreadable": {json.dumps(body)}}}\n'.encode()
