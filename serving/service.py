"""The Bento: BentoML owns packaging and life cycle, and starts the data plane as its command.

BentoML's own port is for health. Requests go to the data plane's port directly: through BentoML's proxy the
same app answers a seventh of the requests.
"""

import os
import sys
from typing import TYPE_CHECKING

import bentoml

from serving.environment import read_environment
from serving.lifetime import die_with_parent
from serving.tls import trusting

if TYPE_CHECKING:
    from aiohttp import ClientSession

if bentoml.server_context.worker_index is not None:
    # BentoML's worker leads a session of its own: nothing else would end it after its supervisor was killed.
    die_with_parent(os.getppid())
environment = read_environment()
python = f"{sys.version_info.major}.{sys.version_info.minor}"
# No distribution: BentoML would install a compiler for it, and every requirement here is a wheel.
image = bentoml.images.Image(base_image=f"python:{python}-slim", python_version=python, distro="")


@bentoml.service(
    name="shoploop",
    cmd=[sys.executable, "-m", "serving", str(os.getpid())],
    image=image,
    workers=1,
    http={"proxy_port": environment.data_port},
    endpoints={"livez": "/healthz", "readyz": "/readyz"},
)
class Shoploop:
    """One release of the recommender."""

    @property
    def client(self) -> "ClientSession | None":
        """How BentoML asks the data plane whether it is well; None for its own way, which knows no TLS."""
        if environment.tls_cert is None:
            return None
        from aiohttp import ClientSession, TCPConnector

        connector = TCPConnector(ssl=trusting(environment.tls_cert))
        return ClientSession(f"https://localhost:{environment.data_port}", connector=connector)
