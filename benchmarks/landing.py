"""What landing a large export takes: seconds, rows a second and the peak of memory, at several sizes.

``python -m benchmarks.landing --out DIR --rows 1000000 10000000`` writes orders of so many lines as CSV, lands and
judges them with `shoploop land` in a process of its own, lands them a second time, and reports both. The goal is that
memory stays under 2 GiB whatever the size, and that the second landing adds nothing.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.settings import CHECKOUT
from pipelines.tables import write_json

WEEKS = 52
FIRST_WEEK = date(2024, 1, 1)
ITEMS = 20_000
LIMIT_MIB = 2048
DECLARATION = """
name: large_shop
kind: files
location: exports
timezone: Europe/Berlin
currency: EUR
data_sets:
  events:
    from: "orders*.csv"
    columns:
      event_id: {join: [order, line]}
      event_type: {value: purchase}
      user_id: customer
      item_id: product
      basket_id: order
      quantity: qty
      value: total
      occurred_at: {from: ordered_at, format: "%Y-%m-%d %H:%M:%S"}
  items:
    from: products.csv
    columns: {item_id: product, title: name, department: {value: shelf}, recommendable: {value: "true"}}
"""


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    asked = parser.parse_args()
    measured = [_measure(rows) for rows in asked.rows]
    asked.out.mkdir(parents=True, exist_ok=True)
    write_json(asked.out / "report.json", _report(measured, asked.rows))
    for one in measured:
        print(json.dumps(one))


def _measure(rows: int) -> dict[str, Any]:
    with TemporaryDirectory(prefix="landing-") as folder:
        checkout = Path(folder)
        _write_shop(checkout, rows)
        first, again = _land(checkout), _land(checkout)
    accepted = sum(int(count.replace(",", "")) for count in re.findall(r"events ([\d,]+) of", first["said"]))
    return {
        "rows": rows,
        "accepted": accepted,
        "seconds": first["seconds"],
        "rows_per_second": round(rows / first["seconds"]),
        "peak_memory_mib": first["peak_memory_mib"],
        "again_seconds": again["seconds"],
        "again_adds_nothing": "nothing new" in again["said"],
    }


def _write_shop(checkout: Path, rows: int) -> None:
    (checkout / "sources").mkdir()
    (checkout / "exports").mkdir()
    (checkout / "sources" / "large_shop.yaml").write_text(DECLARATION)
    params = (CHECKOUT / "params.yaml").read_text()
    for old, new in (
        (r"source: complete_journey", "source: large_shop"),
        (r"timezone: America/New_York", "timezone: Europe/Berlin"),
        (r'first_week: "[^"]*"', f'first_week: "{FIRST_WEEK}"'),
        (r"history_until_week: \d+", "history_until_week: null"),
    ):
        params, found = re.subn(old, new, params, count=1)
        assert found == 1, old
    (checkout / "params.yaml").write_text(params)
    step = timedelta(weeks=WEEKS) / rows
    start = datetime(FIRST_WEEK.year, FIRST_WEEK.month, FIRST_WEEK.day)
    with (checkout / "exports" / "orders.csv").open("w") as file:
        file.write("order,line,customer,product,qty,total,ordered_at\n")
        for number in range(rows + rows // WEEKS):
            moment = (start + number * step).isoformat(sep=" ", timespec="seconds")
            order, customer = number // 4, number // 4 * 7919 % 250_000
            file.write(f"{order},{number % 4},{customer},{number * 104_729 % ITEMS},1,2.50,{moment}\n")
    with (checkout / "exports" / "products.csv").open("w") as file:
        file.write("product,name\n")
        file.writelines(f"{number},Product {number}\n" for number in range(ITEMS))


def _land(checkout: Path) -> dict[str, Any]:
    environment = os.environ | {"SHOPLOOP_CHECKOUT": str(checkout), "SHOPLOOP_HOME": str(checkout / "home")}
    command = [sys.executable, "-m", "benchmarks.landing_peak", "land", "--weeks", "0"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - started
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    peak = int(done.stderr.strip().splitlines()[-1])
    return {"seconds": round(seconds, 1), "peak_memory_mib": peak, "said": done.stdout}


def _report(measured: list[dict[str, Any]], rows: list[int]) -> dict[str, Any]:
    resources = [
        {
            "system": f"shoploop land, {one['rows']:,} rows",
            "seconds": one["seconds"],
            "peak_memory_mib": one["peak_memory_mib"],
        }
        for one in measured
    ]
    goals = [
        {
            "goal": f"peak memory at {one['rows']:,} rows < {LIMIT_MIB} MiB",
            "met": one["peak_memory_mib"] < LIMIT_MIB,
        }
        for one in measured
    ]
    goals += [
        {"goal": f"landing {one['rows']:,} rows again adds nothing", "met": one["again_adds_nothing"]}
        for one in measured
    ]
    return {
        "benchmark": "landing",
        "command": f"python -m benchmarks.landing --out DIR --rows {' '.join(map(str, rows))}",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine()},
        "data": {"made": "order lines by arithmetic, one CSV file, 52 weeks", "rows": rows},
        "results": measured,
        "resources": resources,
        "goals": goals,
    }


if __name__ == "__main__":
    main()
