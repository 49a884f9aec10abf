"""A small shop whose export is as messy as they come, written by the tests that read it."""

import shutil
from datetime import date, timedelta
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
HEADER = "Bestellung;Zeile;Status;Kunde;Artikel;Menge;Summe;Bestellt am\n"
DECLARATION = """
name: corner
kind: files
location: exports
timezone: Europe/Berlin
currency: EUR
data_sets:
  events:
    from: "orders*.csv"
    encoding: mixed
    delimiter: ";"
    columns:
      event_id: {join: [Bestellung, Zeile], with: "-"}
      event_type: {value: purchase}
      user_id: Kunde
      item_id: Artikel
      basket_id: Bestellung
      quantity: {from: Menge, decimal: ","}
      value: {from: Summe, decimal: ","}
      occurred_at: {from: Bestellt am, format: "%d.%m.%Y %H:%M"}
    rules:
      cancelled_orders: {column: Status, values: [storniert]}
      guests: give_each_basket_its_own_shopper
      returns: become_return_events
  items:
    from: products.csv
    columns:
      item_id: sku
      title: title
      department: {value: shop}
      recommendable: {value: "true"}
"""
WEEKS = 5
FIRST = date(2024, 4, 29)  # a Monday


def write_shop(folder: Path, messy: bool = True) -> Path:
    """A checkout in ``folder`` with a source `corner`: 100 order lines over five weeks, 20 a week."""
    (folder / "exports").mkdir(parents=True)
    (folder / "sources").mkdir()
    shutil.copy(CHECKOUT / "params.yaml", folder / "params.yaml")
    (folder / "sources" / "corner.yaml").write_text(DECLARATION)
    lines = [order_line(number) for number in range(100)]
    (folder / "exports" / "orders-1.csv").write_text(HEADER + "".join(lines[:60]))
    (folder / "exports" / "orders-2.csv").write_bytes(
        (HEADER + "".join(lines[60:])).encode() + (b"".join(MESS) if messy else b"")
    )
    skus = [f"{sku:04d}" for sku in range(10)]
    products = "".join(f"{sku},Brötchen {sku}\n" for sku in skus)
    (folder / "exports" / "products.csv").write_text("sku,title\n" + products)
    return folder


def order_line(number: int) -> str:
    day = FIRST + timedelta(days=number * 7 // 20)
    return f"{1000 + number // 2};{number % 2};bezahlt;{number % 7};{number % 10:04d};1;2,50 €;{day:%d.%m.%Y} 12:00\n"


MESS = [
    order_line(99).encode(),  # written twice
    order_line(99).replace(";1;2,50", ";3;7,50").encode(),  # and once more, saying something else
    "2000;0;storniert;7;0001;1;2,50 €;31.05.2024 12:00\n".encode(),
    "2001;0;bezahlt;;0001;1;2,50 €;31.05.2024 12:00\n".encode(),  # a guest
    "2002;0;bezahlt;7;0001;-2;-5,00 €;31.05.2024 12:00\n".encode(),  # a return
    "2003;0;bezahlt;M\u00fcller;0001;1;2,50 \u20ac;31.05.2024 12:00\n".encode("cp1252"),
    b"2004;0;bezahlt;7;0001;1;gratis;31.05.2024 12:00\n",
    "2005;0;bezahlt;7;0001;1;2,50 €;05/31/2024 12:00\n".encode(),
    "2006;0;bezahlt;7;9999;1;1.002,50 €;31.05.2024 12:00\n".encode(),  # an unknown item
    "2007;0;bezahlt;7;0001;0;2,50 €;31.05.2024 12:00\n".encode(),  # nothing bought
]
