"""The shape of a contract's version, as it is recorded, and what changed from one to the next."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from pipelines.contracts.declaration import Column, Contract


@dataclass(frozen=True)
class ColumnShape:
    """What data depend on of a column: not its meaning, unit or sample."""

    name: str
    type: str
    nullable: bool
    minimum: float | None
    maximum: float | None
    above_minimum: bool
    allowed: tuple[str, ...]

    @classmethod
    def of(cls, column: Column) -> "ColumnShape":
        """The shape of a declared column."""
        return cls(**{field.name: getattr(column, field.name) for field in fields(cls)})


@dataclass(frozen=True)
class Shape:
    """One version of a contract.

    Attributes:
        version: Its number.
        key: The column that names a row.
        columns: In file order.
    """

    version: int
    key: str
    columns: tuple[ColumnShape, ...]

    @classmethod
    def of(cls, contract: Contract) -> "Shape":
        """The shape that a contract declares now."""
        return cls(contract.version, contract.key, tuple(map(ColumnShape.of, contract.columns)))

    @classmethod
    def read(cls, said: dict[str, Any]) -> "Shape":
        """From its record."""
        columns = (
            ColumnShape(**{**column, "allowed": tuple(column["allowed"])}) for column in said["columns"]
        )
        return cls(said["version"], said["key"], tuple(columns))

    def record(self) -> dict[str, Any]:
        """As it is written down."""
        return asdict(self)

    def by_name(self) -> dict[str, ColumnShape]:
        """Columns by name."""
        return {column.name: column for column in self.columns}


@dataclass(frozen=True)
class Change:
    """One difference between two versions.

    Attributes:
        words: What changed, for a person.
        breaks: Whether data of the older version may not be read as the newer without a migration.
    """

    words: str
    breaks: bool


def changes(older: Shape, newer: Shape) -> list[Change]:
    """All differences that data depend on, removed columns first; an empty list when there is none."""
    before, after = older.by_name(), newer.by_name()
    found = [Change(f"key changed from {older.key} to {newer.key}", True)] if older.key != newer.key else []
    found += [Change(f"column {name} removed{_perhaps(renamed(older, newer), name)}", True)
              for name in before if name not in after]  # fmt: skip
    found += [_added(column) for name, column in after.items() if name not in before]
    for name in before:
        if name in after:
            found += _changed(before[name], after[name])
    return found


def renamed(older: Shape, newer: Shape) -> dict[str, str]:
    """The column that was probably renamed, old name to new: the only one gone and the only one of its type come."""
    before, after = older.by_name(), newer.by_name()
    gone = [name for name in before if name not in after]
    come = [name for name in after if name not in before]
    if len(gone) == len(come) == 1 and before[gone[0]].type == after[come[0]].type:
        return {gone[0]: come[0]}
    return {}


def _perhaps(names: dict[str, str], name: str) -> str:
    return f" (renamed to {names[name]}?)" if name in names else ""


def _added(column: ColumnShape) -> Change:
    kind = "may be empty" if column.nullable else "may not be empty"
    return Change(f"column {column.name} ({column.type}, {kind}) added", not column.nullable)


def _changed(before: ColumnShape, after: ColumnShape) -> Iterator[Change]:
    name = before.name
    if before.type != after.type:
        yield Change(f"column {name} retyped from {before.type} to {after.type}", True)
    if before.nullable != after.nullable:
        now = "may be empty" if after.nullable else "may no longer be empty"
        yield Change(f"column {name} {now}", before.nullable)
    if set(before.allowed) != set(after.allowed):
        yield _allowed(before, after)
    if _range(before) != _range(after):
        narrower = _range(after)[0] > _range(before)[0] or _range(after)[1] < _range(before)[1]
        yield Change(f"column {name}: range {'narrowed' if narrower else 'widened'}", narrower)


def _allowed(before: ColumnShape, after: ColumnShape) -> Change:
    """No allowed values at all means any."""
    gone, come = set(before.allowed) - set(after.allowed), set(after.allowed) - set(before.allowed)
    words = [f"no longer allows {', '.join(sorted(gone))}"] if gone and after.allowed else []
    words += [f"now allows {', '.join(sorted(come))}"] if come and before.allowed else []
    words += ["now allows any value"] if not after.allowed else []
    words += [f"now allows only {', '.join(after.allowed)}"] if not before.allowed else []
    return Change(
        f"column {before.name} {' and '.join(words)}",
        bool(after.allowed) and (bool(gone) or not before.allowed),
    )


def _range(column: ColumnShape) -> tuple[tuple[float, bool], float]:
    low = float("-inf") if column.minimum is None else column.minimum
    high = float("inf") if column.maximum is None else column.maximum
    return (low, column.above_minimum), high
