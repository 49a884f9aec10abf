"""The whole feature build by four systems: ``python -m benchmarks.features --out DIR``.

Builds every view that ``params.yaml`` names from Complete Journey as known at the start of week 44, at one and more
times its size, with DuckDB as the stage does it, and with pandas, Polars and Spark as their users write it. At the
smallest size the four results are compared before anything is timed.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.features import report
from benchmarks.features.equality import check_equal
from benchmarks.features.inputs import Inputs, make_inputs, read_shop
from benchmarks.features.one_run import SYSTEMS, all_views
from benchmarks.features.plot import draw
from benchmarks.features.runs import Limits, Run, run


def main() -> None:
    """Measure and write ``report.json``, ``table.md`` and ``features.png``."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="features-", dir=arguments.scratch) as scratch:
        inputs = _inputs(Path(scratch), arguments.sizes)
        systems = tuple(arguments.systems)
        compare(systems, inputs[min(inputs)], arguments.limits)
        measured = measure(systems, inputs, arguments.repeats, arguments.limits)
    whole = report.report(measured, inputs, arguments.limits)
    (arguments.out / "report.json").write_text(json.dumps(whole, indent=2) + "\n")
    (arguments.out / "table.md").write_text(report.table(whole) + "\n")
    draw(whole, arguments.out / "features.png")
    print(report.table(whole))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 30], help="times Complete Journey")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--repeats", type=int, default=3, help="of what takes less than a minute")
    parser.add_argument("--limit-minutes", type=float, default=15, help="of one run")
    parser.add_argument("--limit-gib", type=float, default=14, help="of one run, all of its processes")
    parser.add_argument("--scratch", type=Path, help="where 10 GiB are free; the system's choice by default")
    arguments = parser.parse_args()
    arguments.limits = Limits(60 * arguments.limit_minutes, arguments.limit_gib)
    return arguments


def _inputs(scratch: Path, sizes: list[int]) -> dict[int, Inputs]:
    tables, calendar, at_us = read_shop()
    return {
        times: make_inputs(scratch / f"{times}x", tables, calendar, at_us, times) for times in sorted(sizes)
    }


def compare(systems: tuple[str, ...], inputs: Inputs, limits: Limits) -> None:
    """Build once with each system and compare with what DuckDB made.

    Raises:
        RuntimeError: A system fails at the smallest size.
        DifferentError: Two systems do not agree: no time is worth anything then.
    """
    names = all_views()
    for system in ("duckdb", *(name for name in systems if name != "duckdb")):
        made = run(system, inputs.folder, names, limits)
        if made.fault:
            raise RuntimeError(f"{system}: {made.fault}")
        check_equal(names, inputs.folder / "duckdb", inputs.folder / system)
        print(f"{system}: {len(names)} views, equal to DuckDB's", flush=True)


def measure(
    systems: tuple[str, ...], inputs: dict[int, Inputs], repeats: int, limits: Limits
) -> dict[tuple[str, int], list[Run]]:
    """Runs by system and size; in turn, so that what else the machine does falls on all."""
    measured: dict[tuple[str, int], list[Run]] = {
        (system, times): [] for times in inputs for system in systems
    }
    for times, made in inputs.items():
        for turn in range(repeats):
            for system in systems:
                before = measured[system, times]
                if turn == 0 or (before[0].seconds is not None and before[0].seconds < 60):
                    before.append(run(system, made.folder, all_views(), limits))
                    print(f"{times}x {system}: {before[-1]}", flush=True)
    return measured


if __name__ == "__main__":
    main()
