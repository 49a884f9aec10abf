"""A data plane of the size of a real answer, for measuring what stands before it."""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

RELEASE = os.environ.get("SHOPLOOP_RELEASE_ID", "")
ITEMS = [
    {"item_id": str(10**6 + n), "title": "ITEM " * 4, "score": 0.5, "reason": "bought often"}
    for n in range(10)
]
ANSWERS = {
    "/healthz": json.dumps({"status": "alive"}),
    "/readyz": json.dumps({"status": "ready"}),
    "/v1/release": json.dumps({"release": RELEASE}),
    "/v1/recommendations": json.dumps({"release": RELEASE, "source": "blend", "items": ITEMS}),
}


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answer what an endpoint is asked, without any work."""
    if scope["type"] != "http":
        return
    await receive()
    body = ANSWERS[scope["path"]].encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
