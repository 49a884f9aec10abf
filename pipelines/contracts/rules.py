"""Row rules: those that follow from a column's declaration, and the cross-column forms."""

from collections.abc import Iterator

from pipelines.contracts.declaration import AS_OF, Column, Contract, RowRule


def row_rules(contract: Contract) -> tuple[RowRule, ...]:
    """Every row rule of a contract, in the order of its columns, then those across columns."""
    from_columns = [rule for column in contract.columns for rule in _column_rules(column)]
    return (*from_columns, *contract.cross_rules)


def _column_rules(column: Column) -> Iterator[RowRule]:
    if not column.nullable:
        yield _present(column)
    if column.allowed:
        yield _allowed(column)
    if column.minimum is not None or column.maximum is not None:
        yield _in_range(column)


def _present(column: Column) -> RowRule:
    return RowRule(
        f"{column.name}_present",
        f"`{column.name}` is filled",
        f"{column.name} is not null",
        "ExpectColumnValuesToNotBeNull",
        {"column": column.name},
    )


def _allowed(column: Column) -> RowRule:
    values = ", ".join(f"'{value}'" for value in column.allowed)
    return RowRule(
        f"{column.name}_allowed",
        f"`{column.name}` is one of {', '.join(column.allowed)}",
        f"{column.name} in ({values})",
        "ExpectColumnValuesToBeInSet",
        {"column": column.name, "value_set": list(column.allowed)},
    )


def _in_range(column: Column) -> RowRule:
    arguments = {"column": column.name, "min_value": column.minimum, "max_value": column.maximum}
    arguments["strict_min"] = column.above_minimum
    return RowRule(
        f"{column.name}_in_range",
        f"`{column.name}` is {describe_range(column)}",
        " and ".join(_bounds(column)),
        "ExpectColumnValuesToBeBetween",
        arguments,
    )


def _bounds(column: Column) -> Iterator[str]:
    if column.minimum is not None:
        yield f"{column.name} {'>' if column.above_minimum else '>='} {column.minimum}"
    if column.maximum is not None:
        yield f"{column.name} <= {column.maximum}"


def describe_range(column: Column) -> str:
    """The range in words, empty when there is none."""
    words = []
    if column.minimum is not None:
        words.append(f"{'above' if column.above_minimum else 'at least'} {column.minimum:g}")
    if column.maximum is not None:
        words.append(f"at most {column.maximum:g}")
    return " and ".join(words)


def not_before(later: str, earlier: str) -> RowRule:
    """``later`` is at or after ``earlier``."""
    return RowRule(
        f"{later}_not_before_{earlier}",
        f"`{later}` is not before `{earlier}`",
        f"{later} >= {earlier}",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {
            "column_A": later,
            "column_B": earlier,
            "or_equal": True,
            "ignore_row_if": "either_value_is_missing",
        },
    )


def not_in_future(column: str) -> RowRule:
    """``column`` is not after the batch's own present."""
    return RowRule(
        f"{column}_not_in_future",
        f"`{column}` is not after the shop clock",
        f"{column} <= {AS_OF}",
        "ExpectColumnValuesToBeBetween",
        {"column": column, "max_value": AS_OF},
    )


def filled_when(column: str, among: str, values: tuple[str, ...]) -> RowRule:
    """``column`` is filled in rows whose ``among`` is one of ``values``."""
    listed = ", ".join(f"'{value}'" for value in values)
    return RowRule(
        f"{column}_filled_for_{'_'.join(values)}",
        f"`{column}` is filled when `{among}` is {' or '.join(values)}",
        f"{column} is not null or {among} not in ({listed})",
        "ExpectColumnValuesToNotBeNull",
        {"column": column, "row_condition": (among, values)},
    )


def whole(column: str) -> RowRule:
    """``column``, a number, has no fraction."""
    return RowRule(
        f"{column}_whole",
        f"`{column}` is a whole number",
        f"isfinite({column}) and {column} = floor({column})",
        "ExpectColumnValuesToMatchRegex",
        # How Python writes a float without a fraction: 3.0, or from 1e16 on with an exponent.
        {"column": column, "regex": r"^-?\d+(?:\.0|(?:\.\d+)?e\+\d+)$"},
    )
