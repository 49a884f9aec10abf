"""The whole feature build by four systems: ``python -m benchmarks.features --out DIR``.

Builds every view that ``params.yaml`` names from Complete Journey as known at the start of week 44, at one and more
times its size, with DuckDB as the stage does it, and with pandas, Polars and Spark as their users write it. At the
smallest size the results are compared before any time counts.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.features import report
from benchmarks.features.equality import check_equal
from benchmarks.features.inputs import Inputs, all_views, make_inputs, read_shop
from benchmarks.features.one_run import SYSTEMS
from benchmarks.features.plot import draw
from benchmarks.features.report import OURS, Measured
from benchmarks.features.runs import Limits, Run, run


def main() -> None:
    """Measure and write ``report.json``, ``table.md`` and ``features.png``, anew after each run."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    measured: Measured = {}
    inputs: dict[int, Inputs] = {}
    tables, calendar, at_us = read_shop()
    with TemporaryDirectory(prefix="features-", dir=arguments.scratch) as scratch:
        for times in sorted(arguments.sizes):
            inputs[times] = make_inputs(Path(scratch) / f"{times}x", tables, calendar, at_us, times)
            for _ in measure(
                measured, arguments.systems, times, inputs[times], arguments.repeats, arguments.limits
            ):
                _write(report.report(measured, inputs, arguments.limits), arguments.out)
    print((arguments.out / "table.md").read_text())


def _write(whole: dict[str, Any], out: Path) -> None:
    (out / "report.json").write_text(json.dumps(whole, indent=2) + "\n")
    (out / "table.md").write_text(report.table(whole) + "\n")
    draw(whole, out / "features.png")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 30], help="times Complete Journey")
    parser.add_argument(
        "--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS), help="duckdb first"
    )
    parser.add_argument("--repeats", type=int, default=3, help="of what takes less than a minute")
    parser.add_argument("--limit-minutes", type=float, default=15, help="of one run")
    parser.add_argument("--limit-gib", type=float, default=14, help="of one run, all of its processes")
    parser.add_argument("--scratch", type=Path, help="where 10 GiB are free; the system's choice by default")
    arguments = parser.parse_args()
    if arguments.systems[0] != OURS:
        parser.error(f"--systems has to begin with {OURS}, with whose views the others are compared")
    arguments.limits = Limits(60 * arguments.limit_minutes, arguments.limit_gib)
    return arguments


def measure(
    measured: Measured, systems: list[str], times: int, inputs: Inputs, repeats: int, limits: Limits
) -> Iterator[Run]:
    """Add the runs of one size, one at a time; in turn, so that what else the machine does falls on all.

    What did not finish at a smaller size is not tried.

    Raises:
        RuntimeError: A system fails at the smallest size.
        DifferentError: Two systems do not agree there: no time is worth anything then.
    """
    smallest = not measured
    failed = {system: runs for (system, _), runs in measured.items() if runs[0].fault}
    for turn in range(repeats):
        for system in systems:
            runs = measured.setdefault((system, times), [])
            if turn == 0 and system in failed:
                runs.append(Run(None, 0.0, 0.0, "not tried: did not finish at a smaller size"))
            elif turn == 0 or (runs[0].seconds is not None and runs[0].seconds < 60):
                runs.append(run(system, inputs.folder, all_views(), limits))
                print(f"{times}x {system}: {runs[-1]}", flush=True)
                if smallest and turn == 0:
                    _check(system, inputs, runs[0])
            else:
                continue
            yield runs[-1]


def _check(system: str, inputs: Inputs, made: Run) -> None:
    if made.fault.startswith("failed"):
        raise RuntimeError(f"{system} {made.fault}")
    if made.fault:
        return  # beyond a limit: reported as such
    check_equal(all_views(), inputs.folder / OURS, inputs.folder / system)
    print(f"{system}: {len(all_views())} views, equal to those of {OURS}", flush=True)


if __name__ == "__main__":
    main()
