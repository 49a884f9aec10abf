"""The endpoint beside the same model as a plain BentoML service: ``python -m benchmarks.serving --out DIR``.

All systems run at once and are asked in turn. First as fast as answers come, with the model and with its work left out
of all; then the endpoint at fixed rates up to that of the goals, and the peers at that rate.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.conclusion import conclude
from benchmarks.serving.inputs import InputError, Shop, add_arguments, prepare
from benchmarks.serving.report import ECHO, MODEL, Measured, draw, report
from benchmarks.serving.systems import PLANE, ROUTED, ROUTES, running
from pipelines.load_test.driver import Plan, Seen, drive
from pipelines.load_test.questions import http_request
from pipelines.settings import settings

STEPS = (0.1, 0.25, 0.5)
"""Shares of the goals' rate at which the endpoint is measured as well."""
WARM_SECONDS = 2.0
IN_FLIGHT = 16


def ask(shop: Shop, system: str, port: int, seconds: float, rate: float = 0.0) -> Seen:
    """Put one system under load."""
    bodies = [json.dumps({"user_id": user, "k": 10}).encode() for user in shop.users]
    asked = [http_request(ROUTES[system], f"127.0.0.1:{port}", body, {}) for body in bodies]
    return drive(Plan("127.0.0.1", port, asked, seconds, rate, IN_FLIGHT))


def measure(shop: Shop, arguments: argparse.Namespace) -> Measured:
    """Every run."""
    measured = Measured(arguments.rate)
    for split in (MODEL, ECHO):
        with running(shop, split == ECHO, arguments.processes) as ports:
            for system, port in ports.items():
                ask(shop, system, port, min(WARM_SECONDS, arguments.round_seconds))
            for _ in range(arguments.rounds):
                for system, port in ports.items():
                    seen = ask(shop, system, port, arguments.round_seconds)
                    measured.fastest.setdefault((split, system), []).append(seen)
            if split == MODEL:
                _at_fixed_rates(measured, shop, ports, arguments.seconds)
    return measured


def _at_fixed_rates(measured: Measured, shop: Shop, ports: dict[str, int], seconds: float) -> None:
    for share in STEPS:
        rate = measured.rate * share
        measured.fixed[rate, ROUTED] = ask(shop, ROUTED, ports[ROUTED], seconds / 4, rate)
    for system in (ROUTED, PLANE, measured.peer(MODEL)):
        measured.fixed[measured.rate, system] = ask(shop, system, ports[system], seconds, measured.rate)


def main() -> int:
    """Measure and write ``report.json`` and ``serving.png``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    add_arguments(parser)
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second of the goals")
    parser.add_argument("--seconds", type=float, default=60.0, help="at that rate")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of all systems in turn, as fast as answers come"
    )
    parser.add_argument("--round-seconds", type=float, default=10.0)
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="of each system (default: one a core)"
    )
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="shoploop-serving-") as folder:
        try:
            home = Path(folder).resolve() / "home"
            shop = prepare(arguments.bundle, arguments.events, home, settings())
            measured = measure(shop, arguments)
            whole = report(measured, shop.facts() | {"processes": arguments.processes})
        except InputError as error:
            print(error, file=sys.stderr)
            return 2
    conclude(whole, arguments.out)
    draw(measured, arguments.out / "serving.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
