"""A shop with a source of its own: order files in a folder, its declaration and its parameters."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from pipelines.settings import CHECKOUT, Settings
from pipelines.shop import OpenShop, open_shop

FIRST_WEEK = date(2024, 1, 1)  # a Monday
DECLARATION = """
name: little_shop
kind: files
location: exports
timezone: Europe/Berlin
currency: EUR
data_sets:
  events:
    from: "orders*.csv"
    delimiter: ";"
    columns:
      event_id: order
      event_type: {value: purchase}
      user_id: customer
      item_id: product
      basket_id: order
      quantity: qty
      occurred_at: {from: ordered_on, format: "%d.%m.%Y %H:%M"}
    rules:
      cancelled_orders: {column: status, values: [cancelled]}
  items:
    from: "orders*.csv"
    delimiter: ";"
    columns:
      item_id: product
      title: product
      department: {value: everything}
      recommendable: {value: "true"}
    rules:
      repeated_rows: keep_last
"""
HEAD = "order;customer;product;qty;ordered_on;status"


class DeclaredShop:
    """Writes its files and opens it."""

    def __init__(self, folder: Path, **shop: object) -> None:
        checkout = folder / "checkout"
        (checkout / "sources").mkdir(parents=True)
        (checkout / "exports").mkdir()
        (checkout / "sources" / "little_shop.yaml").write_text(DECLARATION)
        params = (CHECKOUT / "params.yaml").read_text()
        wanted = {"source": "little_shop", "timezone": "Europe/Berlin", "first_week": f'"{FIRST_WEEK}"'}
        wanted |= {"history_until_week": "null"} | shop
        (checkout / "params.yaml").write_text(with_shop(params, wanted))
        self.exports = checkout / "exports"
        self.settings = Settings(home=folder / "home", checkout=checkout)

    @property
    def open(self) -> OpenShop:
        return open_shop(self.settings)

    def orders(self, name: str, lines: Iterable[str]) -> Path:
        path = self.exports / name
        path.write_text("\n".join([HEAD, *lines]) + "\n")
        return path


def with_shop(params: str, wanted: dict[str, object]) -> str:
    """``params.yaml`` with other values in its section ``shop``."""
    lines = params.splitlines()
    for name, value in wanted.items():
        (place,) = [number for number, line in enumerate(lines) if line.startswith(f"  {name}: ")]
        lines[place] = f"  {name}: {value}"
    return "\n".join(lines) + "\n"


def order(number: int, day: int, month: int = 1, **changes: str) -> str:
    """One order line of a day of 2024."""
    cells = {
        "order": f"{number}",
        "customer": f"c{number % 7}",
        "product": f"p{number % 5}",
        "qty": "1",
        "ordered_on": f"{day:02d}.{month:02d}.2024 12:00",
        "status": "paid",
    } | changes
    return ";".join(cells.values())


def four_weeks(per_day: int = 5) -> list[str]:
    """28 days from the first Monday on; the fourth week is over once a later order is there."""
    return [order(day * 100 + number, day) for day in range(1, 29) for number in range(per_day)]
