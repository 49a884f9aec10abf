"""Shopper state in Redis, for endpoints on several machines; the event log is a Redis Stream.

How its keys lie, what is atomic and what is durable: docs/decisions/redis-state.md.
"""

import asyncio
import json
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipelines.domain import History
from pipelines.ranking.running_campaigns import Limits
from serving import redis_scripts as scripts
from serving.group_commit import GroupWriter, OverloadError
from serving.said import NOTHING_SAID, Said, read_item
from serving.schemas import PutItem
from serving.showings import FORGET_AT_ONCE, Shown, Wish, left_out
from serving.state import (
    OPEN_ORDER,
    PURCHASE,
    Columns,
    Known,
    LoggedEvent,
    PostedRow,
    Progress,
    Redemption,
    Refresh,
    StateError,
    pack,
    put_together,
)

PREFIX = "shoploop:"
READ_SECONDS = 1.0  # an answer waits no longer for a Redis that is silent
PAUSE_SECONDS = 1.0  # after a failed read answers do without, and do not wait again
WRITE_SECONDS = 10.0
STAGED_SECONDS = 3600  # what a refresh that broke off has written goes by itself
TOGETHER = 500
LINE = (b"event_id", b"body", b"received_at")
REMEDY = (
    "start it with `--appendonly yes --appendfsync always --maxmemory-policy noeviction`, or set "
    "SHOPLOOP_STATE_MAY_BE_LOST=true"
)

Result = TypeVar("Result")
Call = Callable[[Any], Any]  # one command, added to a pipeline

logger = logging.getLogger("serving")


class RedisState:
    """The store that processes on several machines share.

    A server that is away makes reads fail at once and is asked again after a second; nothing is written meanwhile.

    Args:
        url: Of the server, with the number of its database.
        may_lose: Write also to a server that does not put on disk what it acknowledges.
    """

    def __init__(self, url: str, may_lose: bool) -> None:
        def client(seconds: float) -> redis.Redis:
            return redis.Redis.from_url(
                url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0)
            )

        # The client's types know neither which replies are bytes nor that it is not the asynchronous one.
        self._reader: Any = client(READ_SECONDS)
        self._writer: Any = client(WRITE_SECONDS)
        self._may_lose = may_lose
        place = self._reader.connection_pool.connection_kwargs
        self.name = f"Redis at {place.get('host')}:{place.get('port')}/{place.get('db', 0)}"
        self._silent_until = 0.0
        self._seen = 0
        self._said = NOTHING_SAID

    @cached_property
    def _writing(self) -> GroupWriter[Call, Any]:
        return GroupWriter(self._write)

    def open(self) -> None:
        """Log what is wrong with the server; one that is away may come."""
        try:
            with self._telling("does not answer"):
                wrong = self._what_may_be_lost()
        except StateError as error:
            logger.error("%s; events are refused and answers know no history until it is there", error)
            return
        if wrong:
            held = "events are taken all the same" if self._may_lose else f"events are refused: {REMEDY}"
            logger.error("%s may lose what it acknowledges: %s; %s", self.name, wrong, held)
        else:
            logger.info("shopper state and event log are in %s", self.name)

    def history(self, user_id: str) -> History:
        """All that is known of a shopper."""
        return self.known(user_id).history

    def known(self, user_id: str) -> Known:
        """The history, and from which state it is."""
        landed, fresh, begun, refresh, posted = self._read(scripts.READ, user_id)
        lines = [tuple(json.loads(line)) for line in fresh]
        baskets = {basket for _, _, basket in lines}
        of_them = [line for row in begun if (line := tuple(json.loads(row)))[2] in baskets]
        columns = msgspec.msgpack.decode(landed, type=Columns) if landed else None
        return Known(put_together(user_id, columns, lines, of_them), int(refresh or 0), int(posted or 0))

    def redeemed(self, user_id: str) -> frozenset[str]:
        """Campaigns of which a shopper redeemed a coupon."""
        landed, posted = self._read(scripts.REDEEMED, user_id)
        return frozenset([*json.loads(landed or "[]"), *(name.decode() for name in posted)])

    async def show(self, wish: Wish) -> Shown:
        """Choose campaigns within their limits and count what is chosen, in one script."""
        words = [word for campaign in wish.campaigns for word in _limits(wish, *campaign)]
        about = (wish.user_id, wish.now, wish.k, wish.old, FORGET_AT_ONCE)
        found = await self._written(lambda pipe: pipe.eval(scripts.SHOW, 1, PREFIX, *about, *words))
        shown, kept_back = [], []
        for (campaign_id, limits), (limit, number) in zip(wish.campaigns, found, strict=False):
            if limit:
                kept_back.append(left_out(campaign_id, limits, limit.decode(), number))
            else:
                shown.append(campaign_id)
        return Shown(tuple(shown), tuple(kept_back))

    def user_ids(self) -> list[str]:
        """Everybody of whom a purchase is known."""
        landed, fresh = self._ask(scripts.USERS)
        return sorted({name.decode() for name in (*landed, *fresh)})

    def fresh_event_ids(self) -> list[str]:
        """Ids of posted purchases that have not landed."""
        with self._telling("cannot be read"):
            return sorted(name.decode() for name in self._writer.hkeys(f"{PREFIX}fresh_users"))

    def replace_histories(
        self,
        histories: Iterable[History],
        landed_event_ids: Iterable[str] = (),
        judged_through: int = 0,
        made_of: Refresh | None = None,
        redemptions: Iterable[Redemption] = (),
    ) -> int:
        """Write the new histories beside the old ones, then show them in one step."""
        with self._telling("the histories cannot be replaced, and stay as they were"):
            number = int(self._writer.incr(f"{PREFIX}generations"))
            keys = [f"{PREFIX}{name}:{number}" for name in ("histories", "landed_ids", "redemptions")]
            try:
                told = self._stage_fields(keys[2], _redemption_fields(redemptions))
                rows = ((user, msgspec.msgpack.encode(columns)) for user, *columns in map(pack, histories))
                count = self._stage_fields(keys[0], rows)
                self._stage(keys[1], landed_event_ids, lambda pipe, some: pipe.sadd(keys[1], *some))
                found = self._writer.eval(
                    scripts.REPLACE, 1, PREFIX, number, count, told, judged_through, *_told(made_of)
                )
            except BaseException:
                with suppress(redis.RedisError):
                    self._writer.unlink(*keys)
                raise
        return int(found)

    def refreshes(self) -> dict[int, Refresh]:
        """Every refresh that is recorded."""
        rows, batches = (_pairs(found) for found in self._ask(scripts.REFRESHES))
        first = sorted((int(number), name.decode()) for name, number in batches)
        return {
            int(number): Refresh(
                **json.loads(row), batch_ids=tuple(name for held, name in first if held <= int(number))
            )
            for number, row in sorted(rows, key=lambda pair: int(pair[0]))
        }

    async def append(self, events: list[LoggedEvent]) -> int:
        """Log events; what waits together is sent together."""
        received_at = datetime.now(UTC).isoformat()
        words = [word for event in events for word in _words(event)]
        return int(
            await self._written(lambda pipe: pipe.eval(scripts.APPEND, 1, PREFIX, received_at, *words))
        )

    def posted(self, after: int, limit: int) -> list[PostedRow]:
        """Lines of the log."""
        with self._telling("the event log cannot be read"):
            rows = self._writer.xrange(f"{PREFIX}log", f"({after}-0", count=limit)
        return [
            PostedRow(int(entry.split(b"-")[0]), *(row[name].decode() for name in LINE))
            for entry, row in rows
        ]

    def posted_through(self) -> int:
        """Last sequence number of the log."""
        with self._telling("the event log cannot be read"):
            return int(self._writer.get(f"{PREFIX}seq") or 0)

    def progress(self) -> Progress:
        """How far landing has come."""
        row, posted = self._read(scripts.PROGRESS, "")
        newest = json.loads(row) if row else {"at_us": 0, "judged_through": 0}
        return Progress(newest["at_us"], max(int(posted or 0) - newest["judged_through"], 0))

    @property
    def waiting(self) -> int:
        """Posted batches that are not on disk yet."""
        return self._writing.waiting

    async def put(self, item_id: str, item: PutItem) -> None:
        """Replace what was said of an item."""
        body = msgspec.json.encode(item)
        await self._written(lambda pipe: pipe.eval(scripts.PUT, 1, PREFIX, item_id, body))

    def said(self) -> Said:
        """What was put of all items."""
        if found := self._read(scripts.PUTS_AFTER, self._seen):
            rows = zip(found[1::3], found[2::3], strict=True)
            self._said = self._said.after([(name.decode(), read_item(body)) for name, body in rows])
            self._seen = int(found[-3])
        return self._said

    def said_before(self) -> Said:
        """What was known of it when it was last read."""
        return self._said

    def how_to_go_on(self, after: int) -> str:
        """Numbers of a stream only grow."""
        return (
            f"redis-cli SET {PREFIX}seq {after}, and let the shop's clients post again what this one holds "
            f"under new ids (redis-cli XRANGE {PREFIX}log - + shows it)"
        )

    def close(self) -> None:
        """Write what waits and let go."""
        if "_writing" in self.__dict__:
            self._writing.close()
        self._reader.close()
        self._writer.close()

    def _read(self, script: str, word: str | int) -> Any:
        """For an answer, in the event loop: it is short, and after a failure it waits for nothing for a while."""
        if time.monotonic() < self._silent_until:
            raise StateError(f"{self.name}: did not answer a moment ago")
        try:
            with self._telling("cannot be read"):
                return self._reader.eval(script, 1, PREFIX, word)
        except StateError:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            raise

    def _ask(self, script: str) -> Any:
        with self._telling("cannot be read"):
            return self._writer.eval(script, 1, PREFIX)

    async def _written(self, call: Call) -> Any:
        with self._telling("cannot be written"):
            return await asyncio.wrap_future(self._writing.submit(call))

    def _write(self, calls: list[Call]) -> list[Any]:
        """One group, in the writer thread; the server answers after it has put all of it on disk."""
        self._require_durable()
        pipe = self._writer.pipeline(transaction=False)
        for call in calls:
            call(pipe)
        return list(pipe.execute())

    def _stage_fields(self, key: str, rows: Iterable[tuple[str, str | bytes]]) -> int:
        return self._stage(key, rows, lambda pipe, some: pipe.hset(key, items=_flat(some)))

    def _stage(
        self, key: str, rows: Iterable[Result], add: Callable[[redis.client.Pipeline, list[Result]], Any]
    ) -> int:
        rows, count = iter(rows), 0
        while some := list(islice(rows, TOGETHER)):
            pipe = self._writer.pipeline(transaction=False)
            add(pipe, some)
            pipe.expire(key, STAGED_SECONDS)
            pipe.execute()
            count += len(some)
        return count

    def _require_durable(self) -> None:
        """What the server acknowledges has to be on its disk, and stay; asked each time, for settings change.

        Raises:
            StateError: Its settings say otherwise, or it does not tell them.
        """
        if not self._may_lose and (wrong := self._what_may_be_lost()):
            raise StateError(f"{self.name}: may lose what it acknowledges: {wrong}; {REMEDY}")

    def _what_may_be_lost(self) -> str:
        """Why an acknowledged event may be lost, empty where it may not."""
        try:
            found = self._writer.config_get("append*") | self._writer.config_get("maxmemory*")
        except redis.ResponseError as error:
            return f"it does not tell its settings ({error})"
        wrong = [
            f"{name} is {found.get(name)}, not {right}"
            for name, right in {"appendonly": "yes", "appendfsync": "always"}.items()
            if found.get(name) != right
        ]
        policy = str(found.get("maxmemory-policy"))
        if found.get("maxmemory") != "0" and policy.startswith("allkeys"):
            wrong.append(f"maxmemory-policy is {policy}, not noeviction")
        return ", ".join(wrong)

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OverloadError) as error:
            raise StateError(f"{self.name}: {what} ({error})") from error


def _words(event: LoggedEvent) -> tuple[str, str, str, str, str]:
    item, basket = (event.body.get(name, "") for name in PURCHASE[1:])
    line = json.dumps([item, event.occurred_at, basket]) if event.is_purchase else ""
    campaign = event.body["campaign_id"] if event.is_redemption else ""
    return event.event_id, event.text, event.body["user_id"], line, campaign


def _limits(wish: Wish, campaign_id: str, limits: Limits) -> tuple[str | int, ...]:
    """As the script takes them, which knows no None."""
    some = (limits.showings, limits.budget_showings, limits.budget_redemptions)
    return campaign_id, wish.since(limits), *("" if limit is None else limit for limit in some)


def _redemption_fields(redemptions: Iterable[Redemption]) -> Iterator[tuple[str, str]]:
    """Of the landed ones: each event, the campaigns of each shopper, the number of each campaign."""
    each = {event_id: whose for event_id, *whose in redemptions}
    campaigns = defaultdict[str, set[str]](set)
    for user_id, campaign_id in each.values():
        campaigns[user_id].add(campaign_id)
    yield from ((f"event:{event_id}", "") for event_id in each)
    yield from ((f"user:{user_id}", json.dumps(sorted(some))) for user_id, some in campaigns.items())
    numbers = Counter(campaign_id for _, campaign_id in each.values())
    yield from ((f"campaign:{campaign_id}", str(number)) for campaign_id, number in numbers.items())


def _told(made_of: Refresh | None) -> list[Any]:
    if made_of is None:
        return [0, ""]
    row = asdict(made_of)
    batches = row.pop("batch_ids")
    return [made_of.at_us - OPEN_ORDER, json.dumps(row), *batches]


def _flat(rows: list[tuple[str, str | bytes]]) -> list[str | bytes]:
    return [word for row in rows for word in row]


def _pairs(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
