"""A real data plane, small: what a Bento starts, for tests of the endpoint that need many of them fast.

``python tiny_release.py FOLDER`` serves on SHOPLOOP_DATA_PORT. The file FOLDER/behaviour says how: ``good``,
``broken`` (ends at once), ``unready`` (never ready), ``unusable`` (says that its model cannot be loaded),
``failing`` (ready, and answers every recommendation with 500) or ``short`` (lists of nine).
"""

import json
import os
import sys
from pathlib import Path

from serving.metrics import Metrics
from serving.mirror import SHADOW_PATH, Mirror
from serving.watched_word import WatchedWord

RELEASE = os.environ.get("SHOPLOOP_RELEASE_ID", "")
BEHAVIOUR = os.environ.get("TINY_BEHAVIOUR", "good")
METRICS = Metrics()
MIRROR = Mirror(Path(os.environ.get("SHOPLOOP_MIRROR_FILE", "none")), METRICS)
VARIANT = WatchedWord(Path(os.environ.get("SHOPLOOP_VARIANT_FILE", "none")), "champion")


def answer_to(path, body):
    if path == "/healthz":
        return 200, {"status": "alive"}
    if BEHAVIOUR == "unusable":
        message = "bundle/weights.npz: sha256 expected 11, found 22; train again"
        return 503, {"error": "model_not_loaded", "message": message}
    if path == "/readyz":
        return (503 if BEHAVIOUR == "unready" else 200), {"status": "?"}
    if path == "/v1/release":
        return 200, {"release": RELEASE, "pid": os.getpid()}
    if path in ("/v1/recommendations", SHADOW_PATH):
        status = 500 if BEHAVIOUR == "failing" else 200
        METRICS.requests.labels(path, status).inc()
        METRICS.seconds.labels(path).observe(0.001)
        items = [{"item_id": str(number)} for number in range(9 if BEHAVIOUR == "short" else 10)]
        told = {"release": RELEASE, "variant": VARIANT(), "user_id": json.loads(body)["user_id"]}
        return status, told | {"items": items}
    return 404, {"error": "not_found"}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/metrics":
        status, text = 200, METRICS.exposition()
    else:
        status, answer = answer_to(scope["path"], body)
        text = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
    if scope["path"] == "/v1/recommendations" and BEHAVIOUR != "failing":
        MIRROR.offer(body, tuple(str(number) for number in range(10)))


def main():
    behaviour = (Path(sys.argv[1]) / "behaviour").read_text().strip()
    if behaviour == "broken":
        sys.exit(f"{sys.argv[1]}/bundle.json: cannot be read; restore the bundle")
    environment = os.environ | {"TINY_BEHAVIOUR": behaviour}
    arguments = ["--interface", "asgi", "--no-ws", "--http", "1", "--log-level", "warning"]
    place = ["--working-dir", str(Path(__file__).parent), "--port", os.environ["SHOPLOOP_DATA_PORT"]]
    argv = [sys.executable, "-m", "granian", *arguments, *place, "tiny_release:app"]
    os.execve(sys.executable, argv, environment)


if __name__ == "__main__":
    main()
