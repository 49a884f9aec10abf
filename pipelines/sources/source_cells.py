"""The cells of a source's own table as SQL: their text, whatever type they came in."""

from dataclasses import dataclass

import pyarrow as pa

from pipelines.sources.errors import nearest

PLAIN = 9_007_199_254_740_992  # 2**53: up to here a float64 holds every whole number
OTHER_DELIMITERS = (";", ",", "\t", "|")


class MappingError(Exception):
    """The mapping does not fit the source's columns; says what is there and what to do."""


def quoted(text: str) -> str:
    """``text`` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def is_moment(found: pa.DataType) -> bool:
    """Whether cells of this type are dates or timestamps already."""
    return bool(pa.types.is_date(found) or pa.types.is_timestamp(found))


def is_number(found: pa.DataType) -> bool:
    """Whether cells of this type are numbers already."""
    return bool(pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found))


@dataclass(frozen=True)
class SourceCells:
    """The columns of a table by exact name: SQL itself would take `id` and `ID` for one.

    Attributes:
        types: Arrow type of each column, in file order; in SQL the columns are called ``c0``, ``c1``, …
        missing: Texts that mean that there is no value.
    """

    types: dict[str, pa.DataType]
    missing: tuple[str, ...] = ()

    def name(self, column: str) -> str:
        """What ``column`` is called in SQL.

        Raises:
            MappingError: There is no such column, or its cells are lists, objects or bytes.
        """
        names = list(self.types)
        if column not in self.types:
            hint = nearest(column, names)
            if len(names) == 1 and any(sign in names[0] for sign in OTHER_DELIMITERS):
                hint = "; there is one column only: is `delimiter` right?"
            raise MappingError(
                f"the source has no column {column}{hint or ';'} the columns are: {', '.join(names)}"
            )
        if pa.types.is_nested(self.types[column]) or pa.types.is_binary(self.types[column]):
            raise MappingError(
                f"column {column} holds {self.types[column]}, expected one plain value in a cell"
            )
        return f"c{names.index(column)}"

    def type(self, column: str) -> pa.DataType:
        """Arrow type of ``column``."""
        self.name(column)
        return self.types[column]

    def text(self, column: str) -> str:
        """SQL: the cell as text, null where it is missing; a whole number has no decimal places."""
        name, found = self.name(column), self.types[column]
        text = f"cast({name} as varchar)"
        if pa.types.is_floating(found):
            whole = f"{name} = trunc({name}) and abs({name}) <= {PLAIN}"
            text = (
                f"case when isnan({name}) then null when {whole} then cast(cast({name} as bigint) as varchar)"
            )
            text = f"{text} else cast({name} as varchar) end"
        elif pa.types.is_decimal(found):
            text = rf"regexp_replace({text}, '\.0+$', '')"
        for absent in ("", *self.missing):
            text = f"nullif({text}, {quoted(absent)})"
        return text

    def original(self) -> str:
        """SQL: the whole row as a JSON object of texts."""
        cells = (f"{quoted(name)}, cast(c{number} as varchar)" for number, name in enumerate(self.types))
        return f"cast(json_object({', '.join(cells)}) as varchar)"
