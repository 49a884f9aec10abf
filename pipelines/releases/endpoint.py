"""The endpoint's supervisor: one Caddy on the public port, the live and the previous release warm behind it.

``python -m pipelines.releases.endpoint``. It reconciles to the ledger and to nothing else, so killing
it loses nothing: the next one serves what the ledger says is live.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from pipelines.releases.bento import (
    RunningBento,
    Surroundings,
    base_environment,
    bento_command,
    parse_command,
)
from pipelines.releases.caddy import NOBODY, CaddyMissing, Proxy, notice
from pipelines.releases.children import MARK, Records
from pipelines.releases.ledger import Plan
from pipelines.releases.plan_reader import PlanReader
from pipelines.releases.ports import PortTaken, require_free
from pipelines.releases.records import Release, utc_now
from pipelines.releases.sole_supervisor import AlreadyRunning, hold_lock, wait_until
from pipelines.releases.status import EndpointStatus, endpoint_folder, status_file, write_atomically
from pipelines.releases.stepping import SHADOW
from pipelines.settings import Settings, settings
from serving.tls import TlsError, require_pair

TICK_SECONDS = 0.05
PREPARATION_SECONDS = 30 * 60
CADDY_RESTART_SECONDS = 0.5
EXIT_MISUSE = 2
CADDY = "Caddy's configuration"

log = logging.getLogger("endpoint")


class Endpoint:
    """Keeps the processes as the ledger wants them.

    Invariants:
        A release gets requests only after it answered ``/v1/release`` with its own id.
        While the live release is not ready, what was answering goes on answering.
        One thread starts all children: they get their death signal when it ends. Another one reads the ledger, so that
        a database that does not answer holds up nothing.
    """

    def __init__(self, configuration: Settings, command: tuple[str, ...], start_seconds: float) -> None:
        self.settings = configuration
        self.folder = endpoint_folder(configuration)
        environment = _environment(configuration, self.folder)
        self.surroundings = Surroundings(
            folder=self.folder,
            environment=environment,
            command=command,
            store=configuration.bentoml_home.resolve(),
            state_file=configuration.state_file.resolve(),
            clock_file=configuration.clock_file.resolve(),
            start_seconds=start_seconds,
        )
        self.environment = environment
        self.proxy = Proxy(
            self.folder, configuration.host, configuration.port_endpoint, configuration.tls_files
        )
        self.records = Records(self.folder / "processes.json")
        self.bentos: dict[str, RunningBento] = {}
        self.ending: list[RunningBento] = []
        self.plan = Plan(None, None, ())
        self.ledger = PlanReader(configuration.ledger)
        self._caddy_at = 0.0
        self._recorded: list[int] = []
        self._unwritten: set[str] = set()
        self._told: EndpointStatus | None = None
        self.status = EndpointStatus(os.getpid(), configuration.endpoint)

    # Life

    def run(self, stop: "StopSignal") -> None:
        """Serve until asked to stop, then drain."""
        self.ledger.start()
        self.records.end_strays()
        self.surroundings.state_file.parent.mkdir(parents=True, exist_ok=True)
        require_free(self.settings.host, self.settings.port_endpoint)
        self._steer()
        self._tell()
        try:
            self.proxy.start(self.environment)
            self._record_children()
            while not stop.asked:
                self.tick()
                time.sleep(TICK_SECONDS)
        finally:
            self._shut_down()

    def tick(self) -> None:
        """One round: read the ledger, care for every process, steer, tell.

        A file that cannot be written, as on a full disk, is tried again in the next round.
        """
        self._read_ledger()
        self._adjust_wanted()
        for bento in (*self.bentos.values(), *self.ending):
            bento.step(may_give_up=not self._is_needed(bento.release))
        self.ending = [bento for bento in self.ending if not bento.has_ended]
        self._care_for_caddy()
        self._try_to_write("where requests go", self._steer)
        self._try_to_write("the status", self._tell)
        self._try_to_write("the record of processes", self._record_children)

    def _try_to_write(self, what: str, write: Callable[[], None]) -> None:
        # What was written before goes on working: a full disk must not end the answering processes.
        try:
            write()
        except OSError as error:
            if what not in self._unwritten:
                log.warning("%s cannot be written, serving goes on and it is tried again: %s", what, error)
            self._unwritten.add(what)
        else:
            self._unwritten.discard(what)

    def _shut_down(self) -> None:
        log.info("draining")
        if self.proxy.child is not None:
            # Caddy first: it finishes the answers under way while the releases still run.
            self.proxy.child.ask_to_end()
            wait_until(lambda: self.proxy.child is None or self.proxy.child.exit_code is not None, 12)
            self.proxy.child.kill()
        self.ending += self.bentos.values()
        for bento in self.ending:
            bento.end()
        while self.ending:
            for bento in self.ending:
                bento.step(may_give_up=True)
            self.ending = [bento for bento in self.ending if not bento.has_ended]
            time.sleep(TICK_SECONDS)
        self._try_to_write("the record of processes", lambda: self.records.write([]))
        status_file(self.settings).unlink(missing_ok=True)

    # The ledger

    def _read_ledger(self) -> None:
        reading = self.ledger.newest()
        why = reading.error
        if reading.plan and reading.plan.live is None and self.plan.live is not None:
            # An append-only ledger does not forget: this is another database, not a wish to serve nothing.
            why = "the ledger has lost its moves: restore it from a backup"
        if why:
            self._note_ledger_error(why)
        elif reading.plan:
            self.plan = reading.plan
            self.status = replace(self.status, ledger_error="")

    def _note_ledger_error(self, why: str) -> None:
        # Serving does not need the ledger, only changing what is served does.
        if self.status.ledger_error != why:
            log.warning("the ledger cannot be used, serving goes on unchanged: %s", why)
        self.status = replace(self.status, ledger_error=why)

    def _is_needed(self, release: Release) -> bool:
        return release in (self.plan.live, self.plan.previous)

    def _wanted(self) -> dict[str, Release]:
        now = utc_now()
        asked = [
            release for release, at in self.plan.prepared if (now - at).total_seconds() < PREPARATION_SECONDS
        ]
        releases = (self.plan.live, self.plan.previous, self.plan.candidate_release, *asked)
        return {release.release_id: release for release in releases if release is not None}

    def _adjust_wanted(self) -> None:
        wanted = self._wanted()
        for release_id, release in wanted.items():
            if release_id not in self.bentos:
                log.info("starting %s", release_id)
                self.bentos[release_id] = RunningBento(release, self.surroundings)
        for release, at in self.plan.prepared:
            if release.release_id in self.bentos:
                self.bentos[release.release_id].ask_anew(at.isoformat())
        for release_id in [name for name in self.bentos if name not in wanted]:
            if release_id != self.status.serving:
                self._retire(release_id)

    def _retire(self, release_id: str) -> None:
        log.info("ending %s", release_id)
        bento = self.bentos.pop(release_id)
        bento.end()
        self.ending.append(bento)

    # The proxy

    def _care_for_caddy(self) -> None:
        child = self.proxy.child
        if child is None or child.exit_code is None or time.monotonic() < self._caddy_at:
            return
        if CADDY not in self._unwritten:
            log.error("caddy ended with %s: %s", child.exit_code, self.proxy.last_words())
        child.kill()
        self._caddy_at = time.monotonic() + CADDY_RESTART_SECONDS
        self._try_to_write(CADDY, lambda: self.proxy.start(self.environment))

    def _answering(self) -> list[RunningBento]:
        """Releases that may get requests, in the order in which they should."""
        plan = self.plan
        order = [release.release_id for release in (plan.live, plan.previous) if release is not None]
        ready = [self.bentos[name] for name in order if name in self.bentos and self.bentos[name].is_ready]
        serving = self.bentos.get(self.status.serving or "")
        if plan.live and not self._is_ready(plan.live) and serving and serving.is_ready:
            # What answered until now is known to be well; it stays until the live one is.
            ready = [serving, *(bento for bento in ready if bento is not serving)]
        return ready

    def _is_ready(self, release: Release) -> bool:
        bento = self.bentos.get(release.release_id)
        return bento is not None and bento.is_ready

    def _steer(self) -> None:
        answering = self._answering()
        if not answering and self.plan.live is not None and self.plan.live.release_id in self.bentos:
            # It is starting (again): Caddy holds requests for a few seconds in the hope of it.
            held = self.bentos[self.plan.live.release_id].address
            self.proxy.join(held)
            self.proxy.steer(held, held, notice(self.plan.live))
            return
        if not answering:
            self.proxy.join(NOBODY)
            self.proxy.steer(NOBODY, NOBODY, notice(None))
            return
        candidate, step = self._candidate(answering[0]), self.plan.candidate
        shadow = candidate if step is not None and step.kind == SHADOW else None
        candidate = None if shadow else candidate
        self._name_arms(candidate)
        for bento in self.bentos.values():
            bento.mirror_to(shadow.address if shadow and bento is answering[0] else "")
        if candidate is None:
            self.proxy.join(answering[0].address)
        self.proxy.steer(answering[0].address, answering[-1].address, notice(self.plan.live))
        if candidate is not None and step is not None:
            self.proxy.split(answering[0].address, candidate.address, step.share)
        self._note_switch(answering[0].release.release_id)

    def _name_arms(self, candidate: RunningBento | None) -> None:
        # Before the first request of a step: an answer that says `canary` may be counted as one.
        for bento in self.bentos.values():
            bento.call_it("canary" if bento is candidate else "control" if candidate else "champion")

    def _candidate(self, first: RunningBento) -> RunningBento | None:
        """The candidate that may be asked now: only beside the live release that it is compared with."""
        release = self.plan.candidate_release
        if release is None or first.release != self.plan.live or not self._is_ready(release):
            return None
        return self.bentos[release.release_id]

    def _note_switch(self, release_id: str) -> None:
        before = self.status.serving
        if release_id == before:
            return
        log.info("requests go to %s (before: %s)", release_id, before)
        switch = {"from": before, "to": release_id, "at": utc_now().isoformat()}
        self.status = replace(self.status, serving=release_id, last_switch=switch)

    # Telling

    def _tell(self) -> None:
        live = self.plan.live.release_id if self.plan.live else None
        status = replace(
            self.status,
            caddy_pid=self.proxy.child.pid if self.proxy.child else None,
            live=live,
            previous=self.plan.previous.release_id if self.plan.previous else None,
            candidate=self.plan.candidate.release_id if self.plan.candidate else None,
            share=self.plan.candidate.share if self.plan.candidate else 0.0,
            releases={name: bento.status(name == live) for name, bento in self.bentos.items()},
        )
        self.status = status
        if status != self._told or not status_file(self.settings).exists():
            write_atomically(status_file(self.settings), status.to_json())
            self._told = status

    def _record_children(self) -> None:
        bentos = (*self.bentos.values(), *self.ending)
        children = [child for child in (self.proxy.child, *(b.child for b in bentos)) if child is not None]
        pids = [child.pid for child in children]
        if pids != self._recorded:
            self.records.write(children)
            self._recorded = pids


def _environment(configuration: Settings, folder: Path) -> dict[str, str]:
    home = str(configuration.home.resolve())
    return base_environment() | {
        "SHOPLOOP_STACK": home,
        "SHOPLOOP_HOME": home,
        "BENTOML_HOME": str(configuration.bentoml_home.resolve()),
        "BENTOML_DO_NOT_TRACK": "True",
        "SHOPLOOP_KEYS_FILE": str(configuration.keys_file.resolve()),
        "SHOPLOOP_OPEN_SCOPES": configuration.open_to_all,
        "SHOPLOOP_STATE_URL": configuration.state_url,
        MARK: str(folder),
    }


class StopSignal:
    """Whether this process was asked to end."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines.releases.endpoint", description=__doc__)
    parser.add_argument("--host", help="address to listen on (default: SHOPLOOP_HOST)")
    parser.add_argument("--port", type=int, help="public port (default: SHOPLOOP_PORT_ENDPOINT)")
    parser.add_argument(
        "--start-command",
        help="how a release is started instead of `bentoml serve`;"
        " {bento_path}, {data_port} and {bento_port} are filled in",
    )
    parser.add_argument(
        "--start-seconds", type=float, default=90.0, help="how long a release may take to become ready"
    )
    return parser.parse_args(words)


def _settings_of(arguments: argparse.Namespace) -> Settings:
    chosen: Mapping[str, object] = {
        name: value
        for name, value in (("host", arguments.host), ("port_endpoint", arguments.port))
        if value is not None
    }
    return settings().model_copy(update=dict(chosen))


def main(words: list[str] | None = None) -> int:
    """Run the supervisor until SIGTERM; exit code 2 with a sentence when it cannot start."""
    arguments = _arguments(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    configuration = _settings_of(arguments)
    command = parse_command(arguments.start_command) if arguments.start_command else bento_command()
    stop = StopSignal()
    try:
        require_pair(
            *(Path(name) if name else None for name in (configuration.tls_cert, configuration.tls_key))
        )
        with hold_lock(endpoint_folder(configuration)), suppress(KeyboardInterrupt):
            Endpoint(configuration, command, arguments.start_seconds).run(stop)
    except (AlreadyRunning, PortTaken, CaddyMissing, TlsError) as error:
        print(error, file=sys.stderr)
        return EXIT_MISUSE
    return 0


if __name__ == "__main__":
    sys.exit(main())
