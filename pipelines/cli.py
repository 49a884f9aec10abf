"""The `shoploop` command: mounts the commands of `pipelines/commands` and nothing else.

A command imports what it needs when it runs: `shoploop --help` must not wait for Airflow or TensorFlow.
"""

import typer

from pipelines.commands import (
    actions_data,
    actions_releases,
    actions_runs,
    actions_serving,
    backup,
    bench,
    component,
    doctor,
    features,
    fetch,
    garbage,
    gate,
    keys,
    land,
    quarantine,
    recommend,
    releases,
    run,
    smoke,
    source,
    source_example,
    stack,
    train,
    tune,
)

app = typer.Typer(
    name="shoploop",
    help="Closed-loop MLOps for a shop: land data, train, judge, release, recommend.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a boxed traceback cannot be read in a task's log
    rich_markup_mode=None,
    add_completion=False,
)
action = typer.Typer(
    name="action",
    help="What Airflow's tasks run, for example `shoploop action run_stage`; each is idempotent.",
    no_args_is_help=True,
)

app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(run.run)
app.command()(land.land)
app.command()(fetch.fetch)
app.command()(train.train)
app.command()(tune.tune)
app.command()(recommend.recommend)
app.command()(doctor.doctor)
app.command()(smoke.smoke)
app.command()(garbage.gc)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(quarantine.app)
app.add_typer(releases.app)
app.add_typer(gate.app)
app.add_typer(keys.app)
app.add_typer(bench.app)
source.app.command("example")(source_example.example)
app.add_typer(source.app)
app.add_typer(features.app)
for actions in (actions_data, actions_runs, actions_serving, actions_releases, garbage):
    action.add_typer(actions.app)
app.command(hidden=True)(component.component)
app.command(hidden=True)(component.prepare)
app.add_typer(action, hidden=True)


def main() -> None:
    """Run the command line, confined to ``$SHOPLOOP_HOME``."""
    from pipelines.settings import settings
    from pipelines.stack.environment import confine

    confine(settings())
    app()


if __name__ == "__main__":
    main()
