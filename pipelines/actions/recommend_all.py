"""Ask the live release for every shopper it knows, into one Parquet file: for e-mail, print, or another system."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.settings import Settings
from pipelines.tables import write_whole
from serving.state import StateError
from serving.stores import open_state

# The road of a candidate that is compared: the same list, and no impression of what nobody was shown yet.
PATH = "/v1/shadow/recommendations"
AT_ONCE, TOGETHER = 4, 2000
NO_KEY: Mapping[str, str] = {}
PROGRESS_SECONDS = 2.0
SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("item_id", pa.string()),
        ("title", pa.string()),
        ("score", pa.float64()),
        ("reason", pa.string()),
        ("source", pa.string()),
        ("release", pa.string()),
    ]
)


class CampaignError(Exception):
    """No file was written; the message says why and what to do."""


@dataclass(frozen=True)
class Campaign:
    """What was written.

    Attributes:
        file: The Parquet file, one row a place.
        shoppers: How many have a list in it.
        releases: Which made the lists; more than one where another one became live meanwhile.
        seconds: It took.
    """

    file: Path
    shoppers: int
    releases: tuple[str, ...]
    seconds: float

    @property
    def message(self) -> str:
        """The same in a sentence."""
        changed = "; another release became live meanwhile" if len(self.releases) > 1 else ""
        made_by = ", ".join(self.releases)
        return f"{self.shoppers:,} shoppers in {self.file}, by {made_by}, in {self.seconds:.0f} s{changed}"


def recommend_all(
    settings: Settings, out: Path, k: int, say: Callable[[str], None], headers: Mapping[str, str] = NO_KEY
) -> Campaign:
    """Write ``k`` items for each shopper of whom the endpoint has a history.

    Args:
        settings: Of this installation; its endpoint must run.
        out: The file; replaced as a whole.
        k: Places of each list.
        say: Told how far it is.
        headers: With a key, where the endpoint asks for one.

    Raises:
        CampaignError: Nobody is known, or the endpoint does not answer. What was at ``out`` stays.
        StorageError: The file cannot be written.
    """
    state = open_state(settings.state_url, settings.state_file)
    try:
        user_ids = state.user_ids()
    except StateError as error:
        raise CampaignError(f"{error}; repeat the command when it can be") from error
    finally:
        state.close()
    if not user_ids:
        raise CampaignError(
            "no shopper has a history yet: land purchases first, with `shoploop run` or `shoploop land`"
        )
    began, releases = time.monotonic(), dict[str, None]()

    def write(file: Path) -> None:
        with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for rows in _pages(settings, user_ids, k, say, headers):
                releases.update(dict.fromkeys(row["release"] for row in rows))
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))

    write_whole(out, write)
    return Campaign(out, len(user_ids), tuple(releases), time.monotonic() - began)


def _pages(
    settings: Settings, user_ids: list[str], k: int, say: Callable[[str], None], headers: Mapping[str, str]
) -> Iterator[list[dict[str, Any]]]:
    """Rows of some thousand shoppers at a time, in the order of the shoppers."""
    tell_at = time.monotonic() + PROGRESS_SECONDS
    with (
        httpx.Client(
            base_url=settings.endpoint,
            headers=dict(headers),
            timeout=30,
            trust_env=False,
            verify=settings.endpoint_trust,
        ) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        for first in range(0, len(user_ids), TOGETHER):
            some = user_ids[first : first + TOGETHER]
            answers = pool.map(lambda user_id: _ask(client, user_id, k), some)
            yield [
                row for user_id, answer in zip(some, answers, strict=True) for row in _rows(user_id, answer)
            ]
            if time.monotonic() >= tell_at:
                say(f"{first + len(some):,} of {len(user_ids):,} shoppers")
                tell_at = time.monotonic() + PROGRESS_SECONDS


def _ask(client: httpx.Client, user_id: str, k: int) -> dict[str, Any]:
    try:
        answer = client.post(PATH, json={"user_id": user_id, "k": k})
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        raise CampaignError(
            f"shopper {user_id!r}: the endpoint at {client.base_url} gave no list ({error}); see `shoploop status`, "
            "and repeat the command"
        ) from error
    return found


def _rows(user_id: str, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for rank, item in enumerate(answer["items"], start=1):
        made_by = {"source": answer["source"], "release": answer["release"]}
        yield {"user_id": user_id, "rank": rank, **item, **made_by}
