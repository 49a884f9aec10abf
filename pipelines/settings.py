"""Where things are and how to reach them: the only reader of the environment."""

import json
import os
import ssl
from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from serving.tls import trusting

CHECKOUT = Path(__file__).resolve().parent.parent
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORT_FIELDS = ("port_airflow", "port_mlflow", "port_endpoint")


class Settings(BaseSettings):
    """Environment of this installation; every field is read from ``SHOPLOOP_<FIELD>``.

    The defaults are the embedded column of the architecture: everything on this machine, SQLite
    and local folders. Paths that derive from ``home`` are properties, so moving ``home`` moves all.
    """

    model_config = SettingsConfigDict(env_prefix="SHOPLOOP_", frozen=True, extra="ignore")

    checkout: Path = CHECKOUT
    home: Path = Field(default_factory=lambda: CHECKOUT / ".shoploop")
    host: str = "127.0.0.1"
    port_airflow: int = 8080
    port_mlflow: int = 5000
    port_endpoint: int = 3000
    ledger_url: str = ""
    mlflow_url: str = ""
    airflow_url: str = ""
    endpoint_url: str = ""
    alert_webhook: str = ""
    open_scopes: str = ""
    state_url: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    airflow_database_url: str = ""
    feature_builds: Path | None = None
    spark_master: str = "local[*]"
    spark_driver_memory: str = "2g"

    @property
    def landing(self) -> Path:
        """Raw, accepted and quarantined batches."""
        return self.home / "landing"

    @property
    def staged(self) -> Path:
        """What was read from the shop's own sources, mapped and not yet landed."""
        return self.home / "staged"

    @property
    def published(self) -> Path:
        """Published data sets: downloads, and what is read of them."""
        return self.home / "published"

    @property
    def campaigns(self) -> Path:
        """What the DAG `recommend_all` writes."""
        return self.home / "campaigns"

    @property
    def clock_file(self) -> Path:
        """The recorded shop clock."""
        return self.home / "clock.json"

    @property
    def workspaces(self) -> Path:
        """One folder per pipeline run."""
        return self.home / "workspaces"

    @property
    def dvc_cache(self) -> Path:
        """The DVC cache that concurrent runs share."""
        return self.home / "dvc-cache"

    @property
    def bentoml_home(self) -> Path:
        """BentoML's store."""
        return self.home / "bentoml"

    @property
    def state_file(self) -> Path:
        """Shopper state and event log of the endpoint (SQLite, WAL), where ``state_url`` names no other place."""
        return self.home / "state" / "shopper.db"

    @property
    def served_features_file(self) -> Path:
        """The endpoint's log of served features (SQLite, WAL)."""
        return self.state_file.with_name("served_features.db")

    @property
    def data_docs(self) -> Path:
        """Great Expectations data docs."""
        return self.home / "data_docs"

    @property
    def spark_scratch(self) -> Path:
        """Spark's temporary files; on a cluster every node must see it."""
        return self.home / "spark"

    @property
    def secrets_file(self) -> Path:
        """Passwords made on first start."""
        return self.home / "secrets.json"

    @property
    def keys_file(self) -> Path:
        """Keys of the endpoint, by their hashes."""
        return self.home / "keys.json"

    @property
    def open_to_all(self) -> str:
        """What the endpoint answers without a key: on this machine alone all but what changes things."""
        return self.open_scopes or ("read,events" if self.host in LOOPBACK else "none")

    @property
    def stack_file(self) -> Path:
        """The ports that `shoploop up` was given last."""
        return self.home / "stack.json"

    @property
    def ledger(self) -> str:
        """SQLAlchemy URL of the release ledger."""
        return self.ledger_url or f"sqlite:///{self.home / 'ledger.db'}"

    @property
    def mlflow(self) -> str:
        """Base URL of the tracking server."""
        return self.mlflow_url or f"http://{self.host}:{self.port_mlflow}"

    @property
    def airflow(self) -> str:
        """Base URL of the Airflow web server."""
        return self.airflow_url or f"http://{self.host}:{self.port_airflow}"

    @property
    def endpoint(self) -> str:
        """Base URL of the serving endpoint."""
        scheme = "https" if self.tls_cert else "http"
        return self.endpoint_url or f"{scheme}://{self.host}:{self.port_endpoint}"

    @property
    def tls_files(self) -> tuple[Path, Path] | None:
        """Certificate and key of the endpoint's public port; None where it speaks no TLS."""
        return (Path(self.tls_cert).resolve(), Path(self.tls_key).resolve()) if self.tls_cert else None

    @property
    def endpoint_trust(self) -> ssl.SSLContext | bool:
        """By what this installation knows its endpoint, as httpx takes it: the certificate that it was given itself."""
        return trusting(Path(self.tls_cert)) if self.tls_cert else True


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    A port comes from the environment, else from what `shoploop up --port-...` was given last.
    """
    read = Settings()
    return read.model_copy(update=_remembered_ports(read))


def environment_value(name: str) -> str | None:
    """A variable that a shop's own declaration names, None where it is not set; read when it is needed."""
    return os.environ.get(name)


def _remembered_ports(read: Settings) -> dict[str, int]:
    try:
        kept = json.loads(read.stack_file.read_text())["ports"]
    except (OSError, ValueError, KeyError):
        return {}
    wanted = [name for name in PORT_FIELDS if name in kept and name not in read.model_fields_set]
    return {name: int(kept[name]) for name in wanted}
