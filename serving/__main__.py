"""Serves the data plane in this process: ``python -m serving [PARENT_PID]``."""

import asyncio
import logging
import os
import signal
import sys

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from serving import one_thread  # noqa: F401  before what imports NumPy
from serving.app import App
from serving.environment import Environment, read_environment
from serving.lifetime import die_with_parent
from serving.logs import GRANIAN, start_logging
from serving.processes import Processes
from serving.tls import require_pair

DRAIN_SECONDS = 1.0


async def serve(environment: Environment) -> bool:
    """Serve until SIGTERM or SIGINT; False when the application could not start.

    Stopping has two steps, so that no request fails: for ``DRAIN_SECONDS`` every answer closes its connection
    and ``/readyz`` says no, then the socket closes and what is in flight is finished.
    """
    app = App(environment)
    server = Server(
        app,
        address=environment.data_host,
        port=environment.data_port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=1024,
        log_dictconfig=GRANIAN,
        ssl_cert=environment.tls_cert,
        ssl_key=environment.tls_key,
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve())
    await asyncio.wait({serving, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        app.drain()
        await asyncio.sleep(DRAIN_SECONDS)
        server.stop()
    await serving
    return stop.is_set()


def main(module: str = "serving") -> int:
    """Run the server and return its exit code; ``module`` is what further processes run."""
    die_with_parent(int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid())
    start_logging("text")
    try:
        environment = read_environment()
        start_logging(environment.log_format)
        require_pair(environment.tls_cert, environment.tls_key)
        if environment.processes > 1:
            return Processes(environment.processes, module).run()
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return 0 if runner.run(serve(environment)) else 1
    except Exception as error:
        logging.getLogger("serving").critical("the data plane ends: %s", error, exc_info=error)
        return 1


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: some platforms have no wheel, and the standard loop serves too."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


if __name__ == "__main__":
    sys.exit(main())
