"""Whether a mapping fits the contract that it is for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from pipelines.contracts import CONTRACTS
from pipelines.contracts.declaration import Column, Contract
from pipelines.sources.column_mapping import OF_MOMENTS, OF_NUMBERS, ColumnMapping
from pipelines.sources.errors import nearest

if TYPE_CHECKING:
    from pipelines.sources.declaration import DataSetMapping

FILLED_BY_LANDING = "ingested_at"
TRUE, FALSE = ("true", "yes", "1", "t", "y"), ("false", "no", "0", "f", "n")


def contract_faults(name: str, mapping: "DataSetMapping") -> Iterator[str]:
    """What does not fit, each fault with its place in the file."""
    contract = CONTRACTS.get(name)
    if contract is None:
        yield (
            f"data_sets.{name}: unknown data set{nearest(name, CONTRACTS) or ';'} "
            f"there are: {', '.join(CONTRACTS)}"
        )
        return
    yield from _column_faults(contract, mapping)
    yield from _rule_faults(contract, mapping)


def _column_faults(contract: Contract, mapping: "DataSetMapping") -> Iterator[str]:
    known = {column.name: column for column in contract.columns}
    listed = f"the columns of {contract.name} are: {', '.join(known)}"
    for name, column in mapping.columns.items():
        place = f"data_sets.{contract.name}.columns.{name}"
        if name in known:
            yield from (f"{place}{fault}" for fault in _type_faults(known[name], column))
        else:
            yield f"{place}: unknown contract column{nearest(name, known) or ';'} {listed}"
    missing = [
        column.name
        for column in contract.columns
        if not column.nullable and column.name not in mapping.columns and column.name != FILLED_BY_LANDING
    ]
    if missing:
        yield f"data_sets.{contract.name}.columns: missing required column {', '.join(missing)}; {listed}"


def _type_faults(column: Column, mapping: ColumnMapping) -> Iterator[str]:
    wrong = mapping.keys_given(OF_MOMENTS) if column.type != "timestamp" else []
    wrong += mapping.keys_given(OF_NUMBERS) if column.type != "float64" else []
    for key in wrong:
        yield f".{key}: {column.name} is {column.type}, and this key is not for that; remove it"
    if mapping.timezone is not None and mapping.timezone not in available_timezones():
        zones = available_timezones()
        yield f".timezone: unknown time zone {mapping.timezone!r}{nearest(mapping.timezone, zones)}"
    if mapping.value is not None:
        yield from _constant_faults(column, mapping.value)


def _constant_faults(column: Column, value: str) -> Iterator[str]:
    if column.allowed and value not in column.allowed:
        yield (
            f".value: expected one of {', '.join(column.allowed)}, found {value!r}{nearest(value, column.allowed)}"
        )
    if column.type == "bool" and value.lower() not in TRUE + FALSE:
        yield f".value: expected true or false, found {value!r}"
    if column.type == "float64" and not _is_number(value):
        yield f".value: expected a number, found {value!r}"


def _is_number(value: str) -> bool:
    try:
        return abs(float(value)) < float("inf")
    except ValueError:
        return False


def _rule_faults(contract: Contract, mapping: "DataSetMapping") -> Iterator[str]:
    place = f"data_sets.{contract.name}.rules"
    names = set(contract.column_names)
    if mapping.rules.guests and "user_id" not in names:
        yield f"{place}.guests: {contract.name} has no user_id; remove the rule"
    if mapping.rules.guests == "give_each_basket_its_own_shopper" and "basket_id" not in mapping.columns:
        yield f"{place}.guests: needs the basket of each row; map basket_id, or choose set_aside"
    if mapping.rules.returns and not {"quantity", "event_type"} <= names & set(mapping.columns):
        yield f"{place}.returns: needs event_type and quantity; map them, or remove the rule"
