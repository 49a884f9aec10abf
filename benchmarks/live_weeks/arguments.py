"""What was asked for, examined before anything is started."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.next_basket.inputs import DataError
from benchmarks.next_basket.weeks import require_writable
from pipelines.params import load_params
from pipelines.settings import PORT_FIELDS, Settings
from pipelines.sources.complete_journey import LAST_WEEK
from pipelines.stack.ports import free_port, holder, is_free

HOST = "127.0.0.1"
FIRST_PORT = 32000
SHORT_STEPS: dict[str, Any] = {
    "advance_release.shadow_requests": 300,
    "advance_release.canary_shares": [0.1, 0.5],
    "advance_release.seconds_between_looks": 10,
    "advance_release.minimum_requests": 30,
    "advance_release.minimum_seconds": 45,
    "advance_release.maximum_seconds": 600,
}
"""What makes a step take about a minute at the load's rate."""


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        weeks: Landed one after the other.
        refused: The week that is trained on spoilt features.
        struck: The week whose candidate is killed in its canary.
        ports: Of Airflow, MLflow and the endpoint.
        changes: Of ``params.yaml``, by dotted key.
        rate: Requests a second.
    """

    out: Path
    weeks: tuple[int, ...]
    refused: int
    struck: int
    ports: tuple[int, ...]
    changes: dict[str, Any]
    rate: float

    def settings(self) -> Settings:
        """Of a shop in a home and a checkout of its own."""
        out = self.out.resolve()
        ports: dict[str, Any] = dict(zip(PORT_FIELDS, self.ports, strict=True))
        return Settings(home=out / "home", checkout=out / "checkout", host=HOST, **ports)

    def command(self) -> str:
        """How to do it again; says nothing of where it was done."""
        words = ["python -m benchmarks.live_weeks --out DIR", f"--weeks {self.weeks[0]}-{self.weeks[-1]}"]
        words += [f"--refuse {self.refused}", f"--strike {self.struck}", f"--rate {self.rate:g}"]
        words += [
            f"--set {key}={value}" for key, value in self.changes.items() if SHORT_STEPS.get(key) != value
        ]
        return " ".join(words)


def read_plan(words: Sequence[str], params: Path) -> Plan:
    """What the command line asks for.

    Args:
        words: The command line.
        params: ``params.yaml`` of this checkout.

    Raises:
        DataError: It cannot be done; the message says what to give instead.
    """
    asked = _parser().parse_args(words)
    first = (load_params(params).shop.history_until_week or LAST_WEEK) + 1
    weeks = read_weeks(asked.weeks, first)
    refused, struck = _spoilt(weeks, asked.refuse, asked.strike)
    if not 0 < asked.rate <= 1000:
        raise DataError(f"--rate {asked.rate:g}: expected above 0 and at most 1000 requests a second")
    changes = read_changes(asked.set, yaml.safe_load(params.read_text()))
    ports = read_ports(asked.ports)
    require_writable(asked.out)
    for folder in (asked.out / "home", asked.out / "checkout"):
        if folder.exists() and any(folder.iterdir()):
            raise DataError(f"--out {asked.out}: {folder.name}/ in it is not empty; name another folder")
    return Plan(asked.out, weeks, refused, struck, ports, changes, asked.rate)


def read_weeks(text: str, first: int) -> tuple[int, ...]:
    """The weeks of ``FIRST-LAST``; they follow the history, as weeks are landed in a row."""
    start, dash, end = text.partition("-")
    if not (dash and start.isdecimal() and end.isdecimal()):
        raise DataError(f"--weeks {text}: expected FIRST-LAST, such as {first}-{LAST_WEEK}")
    if int(start) != first or not first < int(end) <= LAST_WEEK:
        raise DataError(
            f"--weeks {text}: expected {first}-{first + 1} to {first}-{LAST_WEEK}: the history ends with week"
            f" {first - 1}, the data with week {LAST_WEEK}, and one week is refused and another taken back"
        )
    return tuple(range(int(start), int(end) + 1))


def read_changes(given: Sequence[str], params: dict[str, Any]) -> dict[str, Any]:
    """What differs from ``params.yaml``: short steps, and what was given by ``KEY=VALUE``."""
    changes = dict(SHORT_STEPS)
    if missing := [key for key in SHORT_STEPS if not _is_known(key, params)]:
        raise DataError(f"params.yaml has no {missing[0]}: this benchmark needs releases that come in steps")
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not _is_known(key, params):
            raise DataError(f"--set {text}: expected SECTION.KEY=VALUE, with a key of params.yaml")
        changes[key] = yaml.safe_load(value)
    if not changes["advance_release.canary_shares"]:
        raise DataError(
            "advance_release.canary_shares is empty: no candidate would be on its way when it is struck;"
            " give shares, such as [0.1, 0.5]"
        )
    return changes


def read_ports(given: Sequence[int] | None) -> tuple[int, ...]:
    """The three ports that were given, or free ones."""
    if given is None:
        found: list[int] = []
        for _ in PORT_FIELDS:
            found.append(free_port(HOST, max(found, default=FIRST_PORT) + 1))
        return tuple(found)
    if len(set(given)) < len(given) or not all(0 < port < 65536 for port in given):
        raise DataError(f"--ports {' '.join(map(str, given))}: expected three different ports, 1 to 65535")
    for port in given:
        if not is_free(HOST, port):
            raise DataError(f"--ports: {port} is taken by {holder(port)}; choose another one, or none")
    return tuple(given)


def _spoilt(weeks: tuple[int, ...], refused: int | None, struck: int | None) -> tuple[int, int]:
    refused = weeks[min(2, len(weeks) - 1)] if refused is None else refused
    struck = (weeks[4] if len(weeks) > 4 else weeks[0]) if struck is None else struck
    for name, week in (("--refuse", refused), ("--strike", struck)):
        if week not in weeks:
            raise DataError(f"{name} {week}: expected one of the weeks {weeks[0]} to {weeks[-1]}")
    if refused == struck:
        raise DataError(
            f"--refuse and --strike: both name week {refused}; a refused candidate meets no shopper"
        )
    return refused, struck


def _is_known(key: str, params: dict[str, Any]) -> bool:
    section, dot, name = key.partition(".")
    return bool(dot) and name in (params.get(section) or {})


def _parser() -> argparse.ArgumentParser:
    about = "Real weeks, live: released, refused and taken back under a load that never stops."
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_weeks", description=about)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weeks", default=f"45-{LAST_WEEK}", help="FIRST-LAST")
    parser.add_argument("--refuse", type=int, metavar="WEEK", help="trained on spoilt features")
    parser.add_argument("--strike", type=int, metavar="WEEK", help="its candidate is killed in its canary")
    parser.add_argument("--rate", type=float, default=10, help="requests a second")
    parser.add_argument("--ports", type=int, nargs=3, metavar=("AIRFLOW", "MLFLOW", "ENDPOINT"))
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="other than in params.yaml")
    return parser
