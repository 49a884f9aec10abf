"""The default shop as `shoploop source check` sees any other: a declaration of what it gives, and its reader."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.contracts import CONTRACTS
from pipelines.sources.complete_journey import LAST_WEEK, CompleteJourney
from pipelines.sources.declaration import DataSetMapping, SourceDeclaration
from pipelines.sources.readers.pieces import Chunk, Piece
from pipelines.weeks import ShopCalendar

NAME = "complete_journey"
ZONE = "America/New_York"
FIRST_WEEK = date(2016, 12, 26)
DATA_SETS = ("events", "items", "users", "promotions", "placements")


def declaration() -> SourceDeclaration:
    """Every column is the contract's own: the adapter has brought it there."""
    mapped = {name: DataSetMapping.model_validate(_as_it_is(name)) for name in DATA_SETS}
    return SourceDeclaration(
        name=NAME, kind="published", location=NAME, timezone=ZONE, currency="USD", data_sets=mapped
    )


def _as_it_is(name: str) -> dict[str, Any]:
    given = [column for column in CONTRACTS[name].column_names if column != "corrects"]
    return {"from": name, "columns": {column: {"from": column} for column in given}}


class CompleteJourneyReader:
    """Gives the year's data sets, as known at its end."""

    def __init__(self) -> None:
        source = CompleteJourney(ShopCalendar(ZoneInfo(ZONE), FIRST_WEEK))
        self._tables = source.read_weeks(1, LAST_WEEK)

    def pieces(self, data_set: DataSetMapping) -> list[Piece]:
        """One for each data set."""
        return [Piece(data_set.from_, "package")]

    def read(self, data_set: DataSetMapping, piece: Piece, after: Any | None, rows: int) -> Iterator[Chunk]:
        """Slices of the data set's table."""
        table = self._tables[data_set.from_]
        for start in range(after or 0, max(table.num_rows, 1), rows):
            yield Chunk(table.slice(start, rows), piece.name, start + 1, start + rows)
