"""Which telling of an event counts, worked out by hand."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.contracts import EVENTS
from pipelines.contracts.corrections import corrected_ids, without_corrected
from pipelines.contracts.samples import sample_rows

START = datetime(2017, 3, 1, tzinfo=UTC)


def told(*rows: tuple[str, str | None, int]) -> pa.Table:
    """Events of ``(event_id, corrects, hour in which it was known)``."""
    changes = {
        number: {"event_id": name, "corrects": corrects, "ingested_at": START + timedelta(hours=hour)}
        for number, (name, corrects, hour) in enumerate(rows)
    }
    return sample_rows(EVENTS, len(rows), changes)


@pytest.mark.parametrize(
    ("rows", "counting"),
    [
        pytest.param([("a", None, 1), ("b", None, 1)], ["a", "b"], id="no correction"),
        pytest.param([("a", None, 1), ("b", None, 1), ("c", "a", 2)], ["b", "c"], id="a correction"),
        pytest.param([("c", "a", 1), ("a", None, 2)], ["c"], id="the corrected event comes late"),
        pytest.param([("a", None, 1), ("c", "a", 3), ("d", "a", 2)], ["c"], id="twice: the latest"),
        pytest.param(
            [("a", None, 1), ("c", "a", 2), ("d", "a", 2)], ["d"], id="twice at once: the greatest id"
        ),
        pytest.param([("a", None, 1), ("c", "a", 2), ("d", "c", 3), ("e", "d", 4)], ["e"], id="a chain"),
        pytest.param(
            [("a", None, 1), ("c", "a", 4), ("d", "c", 3)], ["d"], id="a chain that came in disorder"
        ),
        pytest.param(
            [("a", None, 1), ("c", "a", 2), ("d", "a", 3), ("e", "c", 4)],
            ["e"],
            id="two branches: one counts",
        ),
        pytest.param([("c", "unknown", 2)], ["c"], id="of an unknown event: an event"),
        pytest.param([("c", "unknown", 2), ("d", "unknown", 3)], ["d"], id="two of an unknown event"),
        pytest.param([("a", "a", 1)], ["a"], id="of itself"),
        pytest.param([("a", "b", 1), ("b", "a", 2)], ["b"], id="a ring"),
    ],
)
def test_without_corrected__keeps_the_telling_that_counts(
    rows: list[tuple[str, str | None, int]], counting: list[str]
) -> None:
    kept = without_corrected(told(*rows))
    assert kept["event_id"].to_pylist() == counting
    assert kept.schema == told(*rows).schema
    assert without_corrected(told(*reversed(rows)))["event_id"].to_pylist() == counting[::-1]


def test_corrected_ids__are_the_rest() -> None:
    assert corrected_ids(told(("a", None, 1), ("c", "a", 2), ("d", "c", 3))).to_pylist() == ["a", "c"]


names = st.sampled_from("abcdefgh")


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(names, st.tuples(st.none() | names, st.integers(1, 4)), min_size=1))
def test_without_corrected__keeps_exactly_one_of_each_group(links: dict[str, tuple[str | None, int]]) -> None:
    """Groups found by merging sets, which is another way than the query's."""
    groups = {name: {name} for name in "abcdefgh"}
    for name, (corrects, _) in links.items():
        merged = groups[name] | groups[corrects or name]
        groups |= dict.fromkeys(merged, merged)
    kept = set(
        without_corrected(told(*((name, *link) for name, link in links.items())))["event_id"].to_pylist()
    )
    assert all(len(groups[name] & kept) == 1 for name in links)
    assert kept <= set(links)
