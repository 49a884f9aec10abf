"""How `shoploop run` and `shoploop train` end: the verdict in words, what was promoted, recommendations."""

from collections.abc import Callable
from typing import Any

from pipelines.commands.progress import FollowedRun
from pipelines.commands.recommend import EndpointError, ask, in_words
from pipelines.settings import Settings
from pipelines.stack import runs
from pipelines.stack.files import read_json

Say = Callable[[str], None]


def tell_outcome(settings: Settings, run: FollowedRun, say: Say) -> None:
    """What the gate decided in this run, on which checks, and what became of it."""
    if run.took("nothing_new"):
        say("\nNothing new: a finished run had the same data, code and parameters. Nothing was trained.")
        return
    decision = read_json(runs.decision_file(settings, run.run_id))
    if decision:
        say("\nThe gate's verdict")
        say(_verdict(decision))
        say(f"  written down in {runs.decision_file(settings, run.run_id)}")
    say(_became(settings, run))


def tell_recommendations(settings: Settings, say: Say) -> None:
    """Ten products for a household that really shops here, from the live release."""
    user_id = recent_household(settings)
    if user_id is None:
        return
    try:
        say(f"\nTen recommendations\n{in_words(user_id, ask(user_id, 10))}")
        say(f"  ask for another: shoploop recommend {user_id}")
    except EndpointError as error:
        say(f"\nNo recommendations: {error}")


def recent_household(settings: Settings) -> str | None:
    """The household of the last accepted event: it exists, and it shops; None before any landed."""
    import duckdb

    from pipelines.landing import Landing

    files = [str(path) for path in Landing(settings.landing).event_files()]
    if not files:
        return None
    query = "select user_id from read_parquet($files) order by occurred_at desc, user_id limit 1"
    with duckdb.connect() as connection:
        row = connection.execute(query, {"files": files}).fetchone()
    return str(row[0]) if row else None


def live_release(settings: Settings) -> str | None:
    """Id of the release that is live, None before the first."""
    from pipelines.releases.ledger import Ledger

    release = Ledger(settings.ledger).live()
    return release.release_id if release else None


def tell_times(steps: dict[str, float], say: Say) -> None:
    """How long each step took."""
    say("\nTime per step")
    for name, seconds in steps.items():
        say(f"  {name:<34} {seconds:>7.1f} s")
    say(f"  {'together':<34} {sum(steps.values()):>7.1f} s")


def _verdict(decision: dict[str, Any]) -> str:
    lines = [f"  {decision['summary']}"]
    lines += [
        f"    {check['verdict']:<6} {check['name']}: {check['message']}" for check in decision["checks"]
    ]
    return "\n".join(lines)


def _became(settings: Settings, run: FollowedRun) -> str:
    live = live_release(settings)
    still = (
        f"release {live} goes on serving" if live else "there is no release yet, so the endpoint answers 503"
    )
    if run.took("release_model"):
        return f"Promoted: release {live} is live at {settings.endpoint}"
    if run.took("refused_approval"):
        return f"Not promoted: nobody approved the release; {still}"
    if run.took("refused_package"):
        return f"Not promoted: the package was refused; {still}"
    if run.took("refused"):
        return f"Not promoted: the candidate was refused; {still}"
    return f"Not promoted; {still}"
