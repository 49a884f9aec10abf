"""Counts of a step, from an exposition and from the shop's logs."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from pipelines.params import ParamsError
from pipelines.releases.observing import (
    Baseline,
    Counters,
    Mirrored,
    _outcomes,
    read_counters,
    read_mirrored,
)
from pipelines.settings import Settings
from serving.impressions import SCHEMA as IMPRESSIONS
from serving.metrics import Metrics
from serving.state import LoggedEvent
from serving.stores import open_state


def exposition():
    metrics = Metrics()
    for status, seconds in ((200, 0.001), (200, 0.3), (503, 0.002), (400, 0.002)):
        metrics.requests.labels("/v1/recommendations", status).inc()
        metrics.seconds.labels("/v1/recommendations").observe(seconds)
    metrics.requests.labels("/v1/events", 503).inc()
    metrics.seconds.labels("/v1/events").observe(2)
    return metrics.exposition().decode()


def test_read_counters__counts_recommendations_only_and_refusals_are_no_errors():
    found = read_counters(exposition(), pid=7, restarts=1, slow_seconds=0.1)
    assert found == Counters(pid=7, restarts=1, requests=4, errors=1, slow=1)


def test_read_counters__of_a_process_that_was_asked_nothing_are_zero():
    assert read_counters(Metrics().exposition().decode(), 7, 0, 0.1) == Counters(7, 0, 0, 0, 0)


def test_read_counters__names_the_bounds_that_can_be_asked_for():
    with pytest.raises(ParamsError, match=r"slow_seconds: expected a bound .* \(0.0005, .*, 1\), found 0.3;"):
        read_counters(exposition(), 7, 0, 0.3)


def test_outcomes__counts_each_shopper_once_and_only_what_came_in_the_step(tmp_path, place):
    here = Settings(home=tmp_path, state_url=place.url)
    here.state_file.parent.mkdir()
    shown = [("1", "r-1"), ("1", "r-1"), ("2", "r-1"), (None, "r-1"), ("3", "r-2"), ("4", "r-1")]
    bought = [("4", "purchase"), ("1", "purchase"), ("1", "purchase"), ("2", "view"), ("3", "purchase")]
    with closing(sqlite3.connect(here.state_file.with_name("impressions.db"))) as made:
        made.executescript(IMPRESSIONS)
        for user, release in shown:
            made.execute(
                "INSERT INTO impressions VALUES (NULL, 'q', 0, 's', ?, ?, 'v', 'b', '[]')", (user, release)
            )
        made.commit()
    events = [
        LoggedEvent(
            str(number), kind, 0, {"user_id": user, "item_id": "1", "basket_id": "b", "event_type": kind}
        )
        for number, (user, kind) in enumerate(bought)
    ]
    with closing(open_state(here.state_url, here.state_file)) as state:
        asyncio.run(state.append(events))
    none = Counters(1, 0, 0, 0, 0)
    # The first purchase, of shopper 4, was before the step.
    since = Baseline(none, none, impressions=0, events=1)
    assert Baseline.from_json(since.to_json()) == since
    assert _outcomes(here, since, "r-1") == {"shoppers": 3, "buyers": 1}
    assert _outcomes(here, since, "r-2") == {"shoppers": 1, "buyers": 1}


def test_read_mirrored__counts_answers_beyond_the_bound_as_slow():
    metrics = Metrics()
    for outcome in ("compared", "compared", "shorter", "failed", "left_out"):
        metrics.mirrored.labels(outcome).inc()
    for seconds in (0.01, 0.2, 0.3):
        metrics.mirrored_seconds.observe(seconds)
    metrics.mirrored_alike.inc(1.5)
    found = read_mirrored(metrics.exposition().decode(), 0.1)
    assert found == Mirrored(compared=2, shorter=1, failed=1, slow=2, alike=1.5)
    assert found.since(Mirrored(compared=1, slow=1, alike=0.5)) == Mirrored(1, 1, 1, 1, 1.0)
    assert read_mirrored("", 0.1) == Mirrored()
