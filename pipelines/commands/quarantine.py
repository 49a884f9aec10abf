"""`shoploop quarantine`: look at rows that broke a rule, mend them, and land them again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.console import fail, say, say_json

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.landing import Landing
    from pipelines.settings import Settings

app = typer.Typer(
    name="quarantine",
    help="Rows that broke a rule: look, mend, land again.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
SHOWN = 20  # rows told one by one
PIPED_WIDTH = 160  # of a table that no terminal folds


@app.command("list")
def list_quarantine(as_json: AsJson = False) -> None:
    """List quarantined rows by batch, data set and reason.

    Also says how many were mended since, and checks that the store accounts for every row.
    """
    from pipelines.quarantine import conservation_faults, counted, groups

    with _in_words():
        landing = _landing()
        found, faults = groups(landing), conservation_faults(landing)
    if as_json:
        say_json([asdict(group) for group in found])
    elif not found:
        say("Nothing is in quarantine: every row that landed keeps every rule.")
    else:
        names = ("batch_id", "data_set", "reason", "rows", "open", "resubmitted")
        _print_table("Quarantine", names, [tuple(asdict(group).values()) for group in found])
        rows, waiting = (sum(getattr(group, name) for group in found) for name in ("rows", "open"))
        say(f"{counted(rows)}, {waiting:,} open. `shoploop quarantine show BATCH` shows them.")
    if faults:
        fail("The store does not account for every row:\n" + "\n".join(f"  {fault}" for fault in faults))


@app.command()
def show(
    batch: Annotated[str, typer.Argument(help="Id of a batch, as `shoploop quarantine list` names it.")],
    data_set: Annotated[str, typer.Option(help="Only this data set; all if empty.")] = "",
    reason: Annotated[str, typer.Option(help="Only rows with this reason, as the list names it.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write the open rows into this CSV file, for mending.", dir_okay=False)
    ] = None,
    rows: Annotated[int, typer.Option(help="How many rows to show.", min=1)] = SHOWN,
) -> None:
    """Show the quarantined rows of a batch.

    With --out, write those that are open into a CSV file in which a person mends them.
    """
    with _in_words():
        found = _chosen(_landing(), batch, data_set, reason)
        if out is not None:
            _write(found, batch, out)
            return
    from pipelines.contracts import CONTRACTS
    from pipelines.quarantine import explain

    for name, group in found.items():
        names = ("row", "state", CONTRACTS[name].key, "why", "origin")
        told = [
            (row["row"], row["state"], row[CONTRACTS[name].key], explain(row), row["origin"])
            for row in group.slice(0, rows).to_pylist()
        ]
        _print_table(f"{name} of {batch}", names, told)
        if group.num_rows > rows:
            say(f"… and {group.num_rows - rows:,} more: --rows {group.num_rows} shows them all")
    say("`--out F.csv` writes the open ones, whole, for mending.")


@app.command()
def resubmit(
    file: Annotated[
        Path, typer.Argument(help="A CSV of `shoploop quarantine show --out`, mended.", dir_okay=False)
    ],
    data_set: Annotated[str, typer.Option(help="The data set that its rows are of.")] = "events",
) -> None:
    """Land mended rows again.

    Those that now keep every rule leave the quarantine; the others stay in it as they were.
    With the stack up the DAG `ingest_events` judges them; without it they are judged here. Ends with exit code 1
    if some rows still break a rule, and with 2 if none was taken in or the file cannot be used.
    """
    from pipelines.actions.resubmit_rows import resubmit_rows
    from pipelines.settings import settings
    from pipelines.stack.supervisor import is_up

    if not file.is_file():
        fail(
            f"{file}: expected a CSV file of `shoploop quarantine show --out`, found none; check the path", 2
        )
    with _in_words():
        result = resubmit_rows(settings(), file.resolve(), data_set)
    say(result.message)
    if result.batch_id:
        (_judge_in_the_stack if is_up(settings()) else _judge_here)(settings())
        _tell_outcome(_landing(), result.batch_id)
    if result.still_bad:
        _tell_still_bad(result.still_bad, code=1 if result.batch_id else 2)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="A SELECT in DuckDB's SQL over the table quarantine.")],
    as_json: AsJson = False,
) -> None:
    """Ask the quarantine in SQL.

    For example: select reason, count(*) from quarantine group by 1
    """
    from pipelines.quarantine import query

    with _in_words():
        names, rows = query(_landing(), sql)
    if as_json:
        say_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        _print_table("", tuple(names), rows)


def _landing() -> "Landing":
    from pipelines.landing import Landing
    from pipelines.settings import settings

    return Landing(settings().landing)


def _chosen(landing: "Landing", batch: str, data_set: str, reason: str) -> "dict[str, pa.Table]":
    """Quarantined rows of a batch by data set, in the columns of their contract."""
    import pyarrow as pa

    from pipelines.contracts import CONTRACTS
    from pipelines.quarantine import QuarantineError, has_reason, quarantine_table

    if data_set and data_set not in CONTRACTS:
        raise QuarantineError(f"expected one of the data sets {', '.join(CONTRACTS)}, found {data_set!r}")
    if landing.find_accepted(batch) is None:
        raise QuarantineError(
            f"expected an accepted batch, found {batch!r}; `shoploop quarantine list` names them"
        )
    found = {}
    for name in [data_set] if data_set else CONTRACTS:
        rows = quarantine_table(landing, batch, name)
        asked = [not reason or has_reason(said, reason) for said in rows["reason"].to_pylist()]
        if any(asked):
            found[name] = rows.filter(pa.array(asked))
    if not found:
        about = f" of {data_set}" if data_set else ""
        because = f" with the reason {reason!r}" if reason else ""
        raise QuarantineError(
            f"batch {batch} has no row{about} in quarantine{because}; `shoploop quarantine list` tells what there is"
        )
    return found


def _write(found: "dict[str, pa.Table]", batch: str, out: Path) -> None:
    import pyarrow.compute as pc

    from pipelines.contracts import CONTRACTS
    from pipelines.mending import write_mending
    from pipelines.quarantine import OPEN, QuarantineError, counted

    if len(found) > 1:
        raise QuarantineError(
            f"batch {batch} has rows of {', '.join(found)} in quarantine and a file holds those of one: say which with "
            "--data-set"
        )
    ((name, rows),) = found.items()
    waiting = rows.filter(pc.equal(rows["state"], OPEN))
    if not waiting.num_rows:
        raise QuarantineError(
            f"all {rows.num_rows:,} of these rows were mended and taken in: there is nothing to mend"
        )
    write_mending(out, waiting, CONTRACTS[name])
    option = "" if name == "events" else f" --data-set {name}"
    say(
        f"wrote {counted(waiting.num_rows)} of {name} into {out}: mend them there, delete those that cannot be mended,"
    )
    say(f"then `shoploop quarantine resubmit {out}{option}`")


def _judge_here(settings: "Settings") -> None:
    from pipelines.actions.validate_batch import validate_batch

    say("The stack is not up, so this is done here")
    with _in_words():
        result = validate_batch(settings)
    say(result.message)
    say(f"Great Expectations' findings: {result.data_docs}")


def _judge_in_the_stack(settings: "Settings") -> None:
    from pipelines.commands.run import follow_to_end, with_airflow
    from pipelines.stack import runs

    def ingest(airflow: Any) -> None:
        runs.wait_for_dags(airflow)
        run_id = str(airflow.trigger(runs.INGEST, {"weeks": 0})["dag_run_id"])
        follow_to_end(settings, airflow, runs.INGEST, run_id)

    with_airflow(ingest)


def _tell_outcome(landing: "Landing", batch_id: str) -> None:
    from pipelines.quarantine import counted

    record = landing.find_accepted(batch_id)
    if record is None:
        fail(f"{batch_id} was not accepted: if it was refused, {landing.refusal_note(batch_id)} says why")
    left = counted(landing.closed(batch_id).num_rows)
    say(
        f"{left} left the quarantine, known to the shop from now on: models learn from it once the next week has landed"
    )


def _tell_still_bad(rows: tuple[str, ...], code: int) -> None:
    from pipelines.quarantine import counted

    shown = "\n".join(f"  {row}" for row in rows[:SHOWN])
    more = f"\n  … and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    fail(f"Not taken in, and in quarantine as before: {counted(len(rows))}\n{shown}{more}", code)


@contextmanager
def _in_words() -> Iterator[None]:
    from pipelines.commands.actions_data import explained
    from pipelines.mending import MendingError
    from pipelines.quarantine import QuarantineError

    try:
        with explained():
            yield
    except (MendingError, QuarantineError) as error:
        fail(str(error), 2)


def _print_table(title: str, names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH

    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in names:
        # An id that is cut short cannot be named to another command.
        table.add_column(name.replace("_", " "), no_wrap=name in ("batch_id", "row"), overflow="fold")
    for row in rows:
        table.add_row(*("-" if value in (None, "") else str(value) for value in row))
    console.print(table)
