"""What a data set promises, declared once; schema, suite, page and samples are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ColumnType = Literal["string", "float64", "bool", "timestamp"]
AS_OF = "$as_of"  # stands for the batch's own present in a rule


class ContractError(Exception):
    """Data that break a contract as a whole; the message names file, row, column, expected and found."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: As it is in every file.
        type: Logical type; ``timestamp`` is UTC with microseconds.
        meaning: A sentence for a person.
        unit: Of the numbers, empty where there is none.
        nullable: Whether a value may be missing; a nullable column may be absent from a landed file.
        minimum: Smallest allowed number, exclusive when ``above_minimum``.
        maximum: Largest allowed number, inclusive.
        above_minimum: Whether ``minimum`` itself is refused.
        allowed: The only allowed values; empty means any.
        sample: A plausible value for sample rows.
    """

    name: str
    type: ColumnType
    meaning: str
    sample: Any
    unit: str = ""
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    above_minimum: bool = False
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowRule:
    """A promise about one row, said twice: to DuckDB, which sifts, and to Great Expectations, which judges.

    Attributes:
        name: In snake case; the reason that a quarantined row carries.
        meaning: A sentence for a person.
        holds: SQL over the row's columns, true where the promise is kept; unknown counts as kept.
        expectation: Class name in ``great_expectations.expectations``.
        arguments: Its arguments; ``AS_OF`` is replaced by the batch's present, and a ``row_condition`` of a
            column and values by the condition that the column holds one of them.
    """

    name: str
    meaning: str
    holds: str
    expectation: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class BatchRule:
    """A promise about a batch as a whole; a batch that breaks it is refused.

    Attributes:
        name: In snake case.
        meaning: A sentence for a person; a limit's key in braces stands for its value.
        limits: Keys of ``validate_data`` in ``params.yaml`` that hold its limits.
    """

    name: str
    meaning: str
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """One data set.

    Attributes:
        name: Plural noun; file name and page name.
        meaning: What a row is.
        version: Counts the changes of its columns, from 1; ``pipelines/contracts/versions`` records each.
        key: The column that names a row.
        columns: In file order.
        sort_by: Order of the validated file; ends with the key, so that it is total.
        cross_rules: Row rules over several columns.
        batch_rules: What is asked of a batch.
        duplicates: What is done about rows that come twice.
        item_column: The column that names an item of the catalog, None where there is none.
        notes: Markdown for the page: where the default shop's rows come from.
    """

    name: str
    meaning: str
    version: int
    key: str
    columns: tuple[Column, ...]
    sort_by: tuple[str, ...]
    batch_rules: tuple[BatchRule, ...]
    duplicates: str
    item_column: str | None = None
    cross_rules: tuple[RowRule, ...] = ()
    notes: str = field(default="", repr=False)

    @property
    def column_names(self) -> list[str]:
        """Names in file order."""
        return [column.name for column in self.columns]
