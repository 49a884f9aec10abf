"""`shoploop backup` and `shoploop restore`: the whole home, not the ledger alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.commands.actions_releases import NOT_WORTH_RETRYING, failures_in_words
from pipelines.commands.console import fail, say


def backup(file: Path) -> None:
    """Write the whole home to one file.

    Ledger, landed data, registry, Bentos, runs and the endpoint's state. The stack may go on working. The file holds
    the stack's passwords: keep it as you would keep them.
    """
    from pipelines.settings import settings
    from pipelines.stack.home_backup import back_up_home, not_in_it

    here = settings()
    with _told():
        found = back_up_home(here, file, say)
    say(
        f"{file}: {file.stat().st_size / 2**20:,.1f} MiB of {here.home}, the ledger verified. Head: {found.head}"
    )
    for part in not_in_it(here):
        say(f"Not in it: {part}, which lies elsewhere and has backups of its own.")


def restore(file: Path) -> None:
    """Bring a home back from such a file.

    Whole or not at all, to where $SHOPLOOP_HOME is empty.
    """
    from pipelines.settings import settings
    from pipelines.stack.home_backup import restore_home

    here = settings()
    with _told():
        found = restore_home(here, file, say)
    say(f"{here.home} is back; {found.links} rows of the ledger verified. Head: {found.head}")
    say("Start it with `make up`.")


@contextmanager
def _told() -> Iterator[None]:
    from pipelines.stack.home_backup import HomeBackupError

    try:
        with failures_in_words():
            yield
    except HomeBackupError as error:
        fail(str(error), NOT_WORTH_RETRYING)
