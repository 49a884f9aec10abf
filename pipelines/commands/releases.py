"""`shoploop releases`: what is live, what was, why, and the way back."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.actions_releases import failures_in_words
from pipelines.commands.champion import project_champion
from pipelines.commands.console import current_user, fail, say, say_json, whisper

if TYPE_CHECKING:
    from pipelines.releases.chain import Verification
    from pipelines.releases.comparing import Difference
    from pipelines.releases.ledger import Ledger
    from pipelines.releases.records import Release

SHORT = 12
app = typer.Typer(
    name="releases", help="What is live, what was, why, and the way back.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def _ledger() -> "Ledger":
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import DatabaseError

    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    url = settings().ledger
    try:
        with failures_in_words():
            return Ledger(url)
    except DatabaseError as error:
        # Without its password.
        place = make_url(url).render_as_string()
        fail(
            f"the ledger {place} cannot be opened ({str(error.orig).strip()}): docs/releases.md says how to restore it"
        )


@app.command("list")
def list_releases(as_json: AsJson = False) -> None:
    """List every release, newest first, and say which is live."""
    ledger = _ledger()
    plan = ledger.plan()
    stands = {release.release_id: role for role, release in _roles(plan.live, plan.previous)}
    rows = [asdict(release) | {"stands": stands.get(release.release_id, "")} for release in ledger.releases()]
    if as_json:
        say_json(rows)
    elif not rows:
        say("No release yet: `shoploop run` trains, judges and releases the first one.")
    else:
        columns = (
            "release_id",
            "stands",
            "week",
            "created_at",
            "model_version",
            "dirty",
        )
        _print_table("Releases", columns, rows)


def _roles(live: "Release | None", previous: "Release | None") -> "list[tuple[str, Release]]":
    return [(role, release) for role, release in (("previous", previous), ("live", live)) if release]


@app.command()
def show(release_id: str, as_json: AsJson = False) -> None:
    """Show one release: what it is made of, the decisions of its run, and when it was live."""
    from pipelines.releases.overrides import words_of

    ledger = _ledger()
    release = ledger.release(release_id)
    if release is None:
        fail(f"the ledger has no release {release_id!r}: see `shoploop releases list`", 2)
    decisions = [
        asdict(row) | {"body": json.loads(row.body), "overrides": list(words_of(ledger, row))}
        for row in ledger.decisions(release.run_id)
    ]
    moves = [
        asdict(move) for move in ledger.history() if release_id in (move.release_id, move.previous_release_id)
    ]
    link = ledger.link("releases", [release_id])
    if as_json:
        say_json(asdict(release) | {"decisions": decisions, "moves": moves, "link": link})
        return
    for name, value in asdict(release).items():
        say(f"{name:<16} {_cell(value)}")
    if link:
        say(f"{'link':<16} {link['seq']} of the chain, {link['link_sha256']}")
    for decision in decisions:
        say(f"\n{decision['kind']} decision {decision['decision_id']}: {decision['verdict']}")
        for words in decision["overrides"]:
            say(f"  {words}")
        say(f"  {decision['summary']}")
    say()
    for move in moves:
        say(_describe_move(move))


@app.command()
def history(
    at: Annotated[
        str, typer.Option(help="Only what was live at a moment: 2026-11-29T14:30 (UTC), or with its zone.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show what was live when: every move of traffic, oldest first, who made it and why."""
    if at:
        _show_live_at(_moment(at), as_json)
        return
    rows = [asdict(move) for move in _ledger().history()]
    if as_json:
        say_json(rows)
    elif not rows:
        say("Traffic was never moved: there is no release yet.")
    else:
        say("Moves of traffic (UTC)")
        for row in rows:
            say(f"  {_describe_move(row)}")


def _show_live_at(moment: datetime, as_json: bool) -> None:
    move = _ledger().live_at(moment)
    if as_json:
        say_json(asdict(move) if move else None)
    elif move is None:
        say(f"At {_cell(moment)} UTC nothing was live yet.")
    else:
        say(f"At {_cell(moment)} UTC {move.release_id} was live, since:")
        say(f"  {_describe_move(asdict(move))}")
        if move.decision_id:
            say(f"  on decision {move.decision_id}")


def _moment(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--at: expected a moment such as 2026-11-29T14:30 or 2026-11-29T14:30+01:00, found {text!r}", 2)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


@app.command()
def diff(one: str, other: str, as_json: AsJson = False) -> None:
    """Show in what two releases differ: what they are made of, parameters, policy, and what their gates found."""
    from pipelines.releases.comparing import UnknownRelease, compare

    ledger = _ledger()
    try:
        rows = compare(ledger, one, other)
    except UnknownRelease as error:
        fail(str(error), 2)
    params = _params_that_differ(ledger, one, other)
    if params is None:
        whisper("Which parameters differ is not known: a workspace of the two runs was removed or changed.")
    rows += params or []
    if as_json:
        say_json([asdict(row) for row in rows])
    elif not rows:
        say(f"{one} and {other} are made of the same and were judged alike.")
    else:
        width = max(len(row.what) for row in rows)
        say(f"{'':<{width}}  {one}  ->  {other}")
        for row in rows:
            say(f"{row.what:<{width}}  {_cell(row.one)}  ->  {_cell(row.other)}")


def _params_that_differ(ledger: "Ledger", one: str, other: str) -> "list[Difference] | None":
    from pipelines.releases.comparing import compare_params, existing_release
    from pipelines.settings import settings
    from pipelines.workspace import workspace_path

    made = [existing_release(ledger, name) for name in (one, other)]
    files = [workspace_path(settings(), release.run_id) / "params.yaml" for release in made]
    return compare_params(made[0], made[1], files[0], files[1])


@app.command()
def reproduce(
    release_id: str,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the new workspace.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build a release once more and compare every hash; exit code 1 if one differs.

    All stages run on the recorded code, parameters and inputs with an empty cache: it takes as long as a training.
    """
    from pipelines.actions.reproduce_release import reproduce_release
    from pipelines.settings import settings

    with failures_in_words():
        done = reproduce_release(settings(), _ledger(), release_id, whisper, keep)
    if as_json:
        say_json(asdict(done) | {"is_same": done.is_same})
    else:
        for one in done.comparisons:
            differs = "" if one.is_same else f"  DIFFERS: recorded {one.recorded}, rebuilt {one.rebuilt}"
            say(f"  {'same' if one.is_same else '    '}  {one.what}{differs}")
        same = sum(one.is_same for one in done.comparisons)
        say(
            f"{release_id}: {same} of {len(done.comparisons)} are the same; `dvc repro` took {done.seconds:.0f} s."
        )
        if done.workspace is not None:
            say(f"It is in {done.workspace}")
    raise typer.Exit(0 if done.is_same else 1)


@app.command()
def verify(
    expect_head: Annotated[
        str, typer.Option(help="A head that was noted earlier, or its first 12 digits at least.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Prove that no row of the ledger was changed, removed or slipped in; exit code 1 if one was."""
    noted = expect_head.strip().lower()
    if expect_head and not re.fullmatch(rf"[0-9a-f]{{{SHORT},64}}", noted):
        fail(f"--expect-head: expected {SHORT} to 64 hexadecimal digits of a head, found {expect_head!r}", 2)
    found = _ledger().verify(noted)
    if as_json:
        say_json(asdict(found))
    else:
        for fault in found.faults:
            say(f"  {fault.table} {fault.key}: {fault.what}")
        _sum_up(found)
    raise typer.Exit(1 if found.faults else 0)


def _sum_up(found: "Verification") -> None:
    old = f" ({found.adopted} were there before rows were chained)" if found.adopted else ""
    if found.faults:
        count = "1 fault" if len(found.faults) == 1 else f"{len(found.faults)} faults"
        say(f"The ledger was tampered with: {count} in {found.links} rows{old}.")
        say("Keep a copy of it as it is, and restore the ledger from a backup: docs/releases.md says how.")
    else:
        say(f"Every one of {found.links} rows is as it was written{old}.")
        say(f"Head: {found.head}")
        say(
            "Note it elsewhere: later, `--expect-head` then proves that nothing before it was cut off or rewritten."
        )


@app.command()
def backup(file: Path) -> None:
    """Write the whole ledger to a file; others may use it meanwhile."""
    from pipelines.releases.backup import back_up

    with failures_in_words():
        found = back_up(_ledger(), file)
    say(f"{found.links} rows are in {file}, verified. Head: {found.head}")


@app.command()
def restore(file: Path) -> None:
    """Fill an empty ledger from a backup, once it is verified."""
    from pipelines.releases.backup import restore as fill

    ledger = _ledger()
    with failures_in_words():
        found = fill(ledger, file)
    live = ledger.live()
    say(
        f"{found.links} rows restored and verified; live: {live.release_id if live else 'nothing'}. Head: {found.head}"
    )


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    to: Annotated[str, typer.Option(help="Release id; the previous release if empty.")] = "",
    actor: Annotated[str, typer.Option(help="Who; you, if empty.")] = "",
    as_json: AsJson = False,
) -> None:
    """Go back to the previous or a named release; ends when the endpoint answers from it."""
    from pipelines.actions.release_model import describe_switch
    from pipelines.actions.roll_back import roll_back
    from pipelines.settings import settings

    with failures_in_words():
        switch = roll_back(settings(), _ledger(), reason, actor or current_user(), to or None)
    if as_json:
        say_json(switch.as_dict())
    else:
        say(describe_switch(switch))
    project_champion(whisper if as_json else say)


@app.command("abort")
def abort_release(
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    actor: Annotated[str, typer.Option(help="Who; you, if empty.")] = "",
) -> None:
    """Take the candidate that answers a share of the shoppers from them; what is live stays."""
    from pipelines.actions.advance_release import describe_progress
    from pipelines.releases.advancing import abort
    from pipelines.releases.switch import Mover
    from pipelines.settings import settings

    with failures_in_words():
        progress = abort(Mover(_ledger(), settings()), actor or current_user(), reason)
    say(describe_progress(progress) if progress else "No candidate is on its way: nothing to abort.")


@app.command("steps")
def list_steps(as_json: AsJson = False) -> None:
    """Show every step of the candidates before they were live or taken back, oldest first."""
    from pipelines.releases.stepping import steps

    rows = [asdict(step) | {"step": step.kind} for step in steps(_ledger())]
    if as_json:
        say_json(rows)
    elif not rows:
        say("No release took a step: each became live at once.")
    for row in [] if as_json else rows:
        taken = f"{_cell(row['taken_at'])} {row['step']:<8} {row['share']:>4.0%} {row['release_id']}"
        say(f"  {taken} beside {row['live_release_id']} by {row['actor']}: {row['reason']}")


def _print_table(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in columns:
        # An id that is cut short cannot be named to another command.
        table.add_column(name.replace("_", " "), no_wrap=name.endswith(("_id", "_at")) or name == "kind")
    for row in rows:
        style = "bold" if row.get("stands") == "live" else ""
        table.add_row(*(_cell(row[name]) for name in columns), style=style)
    Console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)


def _describe_move(move: dict[str, Any]) -> str:
    before = move["previous_release_id"] or "nothing"
    return (
        f"{_cell(move['moved_at'])} {move['kind']:<8} {before} -> {move['release_id']}"
        f" by {move['actor']}: {move['reason']}"
    )
