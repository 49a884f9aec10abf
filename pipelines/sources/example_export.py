"""An export as shop systems write them, made from Complete Journey: something to try a declaration on.

    orders_1701.csv …   one file a month: semicolons, decimal commas, days first, no time zone
    products.csv        the catalog
    customers.csv       who shops

With ``messy`` every fiftieth order line holds what real exports hold: cancelled orders, guests, returns as
negative quantities, lines written twice, prices with a currency sign, another encoding, and text where a number
or a date should be.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from pipelines.sources.complete_journey import CompleteJourney
from pipelines.weeks import ShopCalendar

Line = tuple[str, ...]
ORDERS = """
select
    basket_id as order_id,
    cast(row_number() over (order by occurred_at, event_id) as varchar) as line,
    'bought' as action,
    'paid' as status,
    user_id as customer,
    item_id as product,
    cast(quantity as varchar) as qty,
    replace(printf('%.2f', value), '.', ',') as total,
    replace(printf('%.2f', discount), '.', ',') as discount,
    strftime(timezone($zone, occurred_at), '%d.%m.%Y %H:%M:%S') as ordered_on
from events
where event_type = 'purchase'
    and user_id in (select distinct user_id from events order by user_id limit $households)
order by occurred_at, event_id
"""
PRODUCTS = """
select item_id as product, title as name, department, category, type as kind, brand, package_size as size,
    recommendable as can_be_sold
from items order by item_id
"""
CUSTOMERS = "select user_id as customer, age, income from users order by user_id"
# When the default shop's weeks begin, whatever shop params.yaml says.
CALENDAR = ShopCalendar(ZoneInfo("America/New_York"), date(2016, 12, 26))
EVERY = 50  # one order line in so many is spoiled, by turns in each way


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        files: Names of the files.
        rows: Order lines, spoiled ones included.
        spoiled: Order lines by what is wrong with them.
    """

    files: tuple[str, ...]
    rows: int
    spoiled: dict[str, int]


def write_example(folder: Path, weeks: int, households: int | None = None, messy: bool = False) -> Exported:
    """Write the export.

    Args:
        folder: Is made; the files of an earlier example are replaced.
        weeks: How many weeks of the year.
        households: How many of the households; None for all.
        messy: Whether to spoil one order line in fifty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("orders_*.csv"):
        old.unlink()
    spoiled: Counter[str] = Counter()
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name, table in CompleteJourney(CALENDAR).read_weeks(1, weeks).items():
            connection.register(name, table)
        values = {"zone": str(CALENDAR.timezone), "households": households or 1_000_000}
        head, lines = _asked(connection.execute(ORDERS, values))
        rows = _spoiled(lines, head, spoiled) if messy else lines
        counts = {name: _write(folder / name, head, group) for name, group in _by_month(rows, head)}
        for name, query in (("products.csv", PRODUCTS), ("customers.csv", CUSTOMERS)):
            _write(folder / name, *_asked(connection.execute(query)))
    return Exported((*counts, "products.csv", "customers.csv"), sum(counts.values()), dict(spoiled))


def _asked(answer: duckdb.DuckDBPyConnection) -> tuple[Line, Iterator[Line]]:
    head = tuple(column[0] for column in answer.description or ())

    def lines() -> Iterator[Line]:
        while batch := answer.fetchmany(10_000):
            for row in batch:
                yield tuple("" if cell is None else str(cell) for cell in row)

    return head, lines()


def _by_month(lines: Iterable[Line], head: Line) -> Iterator[tuple[str, Iterable[Line]]]:
    at = head.index("ordered_on")
    for (year, month), group in groupby(lines, lambda line: (line[at][8:10], line[at][3:5])):
        yield f"orders_{year}{month}.csv", group


def _spoiled(lines: Iterable[Line], head: Line, counts: Counter[str]) -> Iterator[Line]:
    def put(line: Line, **changes: str) -> list[Line]:
        return [tuple(changes.get(name, cell) for name, cell in zip(head, line, strict=True))]

    cell = {name: place for place, name in enumerate(head)}
    ways: list[tuple[str, Callable[[Line], list[Line]]]] = [
        ("cancelled order", lambda line: put(line, status="cancelled")),
        ("guest", lambda line: put(line, customer="")),
        ("return", lambda line: put(line, qty=f"-{line[cell['qty']]}")),
        ("line written twice", lambda line: [line, line]),
        ("currency sign", lambda line: put(line, total=f"$ {line[cell['total']]}")),
        ("another encoding", lambda line: put(line, status="bezahlt, für später")),
        ("quantity in words", lambda line: put(line, qty="two")),
        (
            "no such day",
            lambda line: put(line, ordered_on=f"31{line[cell['ordered_on']][2:]}".replace(":", ".")),
        ),
    ]
    for number, line in enumerate(lines, start=1):
        name, change = ways[number // EVERY % len(ways)]
        if number % EVERY:
            yield line
            continue
        counts[name] += 1
        yield from change(line)


def _write(path: Path, head: Line, lines: Iterable[Line]) -> int:
    """Write a file as Windows would; returns its lines."""
    with path.open("w", newline="", encoding="cp1252", errors="replace") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(head)
        count = 0
        for count, line in enumerate(lines, start=1):  # noqa: B007 - the last number is the count
            writer.writerow(line)
    return count
