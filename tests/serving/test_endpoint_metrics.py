"""What Prometheus is told, and that the page about it says the same."""

import math
import re
import threading
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from serving.group_commit import GroupWriter
from serving.metrics import Metrics
from serving.state import Refresh
from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import Plane, Starter, purchase
from tests.serving.tiny_bundle import DAY, NOW, tea_drinker

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
ROW = re.compile(r"^\| `(shoploop_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


def scraped(plane: Plane) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Value of each sample by name and labels."""
    status, text = plane.ask("GET", "/metrics")
    assert status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(plane: Plane, name: str, **labels: str) -> float:
    return scraped(plane)[name, frozenset(labels.items())]


def test_page__lists_every_metric_with_its_type_and_labels() -> None:
    told = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(PAGE.read_text())
    }
    found = {}
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            found[family.name + suffix] = (family.type, tuple(metric._labelnames))
    found["shoploop_release_info"] = ("info", ("release", "variant", "bundle_sha256"))  # labels of its values
    assert told == found


def test_answers__are_timed_by_scenario_step_and_variant(plane: Plane) -> None:
    plane.recommend("1")
    plane.recommend("nobody-known")
    plane.ask("POST", "/v1/similar-items", {"item_id": "10"})
    plane.ask("POST", "/v1/promotions", {"user_id": "1"})
    found = scraped(plane)
    for route, source in [
        ("/v1/recommendations", "blend"),
        ("/v1/recommendations", "popularity"),
        ("/v1/similar-items", "cooccurrence"),
        ("/v1/promotions", "response"),
    ]:
        labels = {"route": route, "source": source, "variant": "champion"}
        assert found["shoploop_answer_seconds_count", frozenset(labels.items())] == 1
        assert found["shoploop_answer_seconds_sum", frozenset(labels.items())] > 0


def test_errors__are_counted_by_scenario_and_time_no_list(plane: Plane) -> None:
    plane.ask("POST", "/v1/rank", "{")
    found = scraped(plane)
    assert found["shoploop_requests_total", frozenset({("route", "/v1/rank"), ("status", "400")})] == 1
    assert not [
        key for key in found if key[0] == "shoploop_answer_seconds_count" and ("route", "/v1/rank") in key[1]
    ]


def test_release__is_told_with_its_model_s_age(plane: Plane) -> None:
    sha256 = plane.ask("GET", "/v1/release")[1]["bundle_sha256"]
    labels = {"release": "r-44-tiny", "variant": "champion", "bundle_sha256": sha256}
    assert value(plane, "shoploop_release_info", **labels) == 1
    # The clock is looked at once a second.
    assert value(plane, "shoploop_model_age_seconds") == pytest.approx(3 * DAY / 1e6, abs=5)


@on_each_store
def test_state__tells_how_old_it_is_and_how_much_has_not_landed(start: Starter) -> None:
    plane = start()
    plane.wait()
    assert math.isnan(value(plane, "shoploop_state_age_seconds"))
    plane.post(*(purchase(f"lag-{number}") for number in range(5)))
    assert value(plane, "shoploop_state_events_behind") == 5
    with closing(plane.state()) as state:
        for age, judged in ((9, 1), (2, 3)):
            made_of = Refresh(NOW - age * DAY, 44, ("b",), "view", "items", judged)
            state.replace_histories([tea_drinker()], judged_through=judged, made_of=made_of)
    assert value(plane, "shoploop_state_events_behind") == 2
    assert value(plane, "shoploop_state_age_seconds") == pytest.approx(2 * DAY / 1e6, abs=5)
    assert value(plane, "shoploop_state_readable") == 1


def test_state__that_cannot_be_read_is_told_and_the_rest_too(start: Starter) -> None:
    plane = start()
    plane.wait()
    for name in ("shopper.db", "shopper.db-wal", "shopper.db-shm"):
        plane.state_file.with_name(name).write_bytes(b"not a database" * 1000)
    plane.recommend("1")
    assert value(plane, "shoploop_state_readable") == 0
    assert math.isnan(value(plane, "shoploop_state_events_behind"))
    assert math.isnan(value(plane, "shoploop_state_age_seconds"))
    assert value(plane, "shoploop_log_waiting", log="events") == 0


def test_waiting__counts_what_is_not_written_yet() -> None:
    is_writing, may_write = threading.Event(), threading.Event()

    def write(items: list[int]) -> list[int]:
        is_writing.set()
        may_write.wait()
        return items

    writer = GroupWriter(write)
    written = [writer.submit(0)]
    is_writing.wait()
    written += [writer.submit(number) for number in range(6)]
    before = writer.waiting
    may_write.set()
    writer.close()
    assert all(future.done() for future in written)
    assert (before, writer.waiting) == (7, 0)
