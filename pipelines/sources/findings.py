"""The findings of `shoploop source check`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.sources.shop_proposal import ShopProposal
from pipelines.sources.tally import Counts, Reason


@dataclass(frozen=True)
class ColumnFinding:
    """One column of the contract, with an example.

    Attributes:
        name: Its name.
        made_from: How the mapping makes it, in words.
        before: Cells of the source in one row.
        after: What became of them.
    """

    name: str
    made_from: str
    before: str
    after: Any


@dataclass(frozen=True)
class DataSetFinding:
    """What one data set comes to.

    Attributes:
        name: Its name.
        pieces: Files or tables that were read.
        is_limited: Whether only the first rows were read.
        counts: Where its rows would go.
        first: Its first accepted moment, None where rows have none.
        last: Its last one.
        columns: The mapping with examples.
        samples: The first rows that can be read, after mapping.
        quarantined: Why rows would be quarantined.
        set_aside: Which rules of the mapping set rows aside.
        empty: Columns of the source that the mapping names and that hold nothing in any row.
    """

    name: str
    pieces: list[str]
    is_limited: bool
    counts: Counts
    first: datetime | None
    last: datetime | None
    columns: list[ColumnFinding]
    samples: list[dict[str, Any]]
    quarantined: list[Reason]
    set_aside: list[Reason]
    empty: list[str]


@dataclass(frozen=True)
class SourceFinding:
    """What a whole source comes to.

    Attributes:
        data_sets: By data set.
        unknown_items: Share of the events about an item that are about one the catalog does not have.
        shop: The block of params.yaml that fits, None without events.
        refusals: Why landing would refuse it; empty when it would not.
        remarks: What a person should look at.
    """

    data_sets: list[DataSetFinding]
    unknown_items: float | None
    shop: ShopProposal | None
    refusals: list[str]
    remarks: list[str]
