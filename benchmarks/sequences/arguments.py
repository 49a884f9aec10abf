"""What every run of retrievers is told on the command line, and how it refuses."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.sequences.systems import System


def add_arguments(parser: argparse.ArgumentParser, minutes: float) -> None:
    """What every run is told.

    Args:
        parser: Is given the arguments.
        minutes: Of a run that is told no budget.
    """
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=_positive(int), default=1, help="of what is drawn")
    parser.add_argument("--budget-minutes", type=_positive(float), default=minutes, help="of the whole run")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="all by default")


def chosen_systems(known: Mapping[str, System], names: list[str] | None) -> list[System]:
    """The named systems, or all, in the order in which they are known; exits on a name that is not."""
    strange = [name for name in names or [] if name not in known]
    if strange:
        sys.exit(refused(f"--models: expected some of {', '.join(known)}, found {strange[0]!r}"))
    return [system for name, system in known.items() if not names or name in names]


def refused(message: str) -> int:
    """Say what is wrong with what was given; the exit code for it."""
    print(message, file=sys.stderr)
    return 2


def _positive(kind: type) -> object:
    def parse(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
        return value

    parse.__name__ = kind.__name__
    return parse
