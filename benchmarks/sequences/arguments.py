"""What every run of retrievers is told on the command line, and how it refuses."""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser, minutes: float) -> None:
    """What every run is told.

    Args:
        parser: Is given the arguments.
        minutes: Of a run that is told no budget.
    """
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=_positive(int), default=1, help="of what is drawn")
    parser.add_argument("--budget-minutes", type=_positive(float), default=minutes, help="of the whole run")
    parser.add_argument(
        "--choices",
        type=Path,
        metavar="REPORT",
        help="report.json of an earlier run: tune nothing, fit as it chose",
    )
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="what is quick and attention by default")


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
