"""The environment of every process of the stack: one place says where anything may be written."""

import json
import os
import sys
from pathlib import Path

from pipelines.settings import Settings
from pipelines.stack.passwords import passwords, write_airflow_passwords

STACK_MARK = "SHOPLOOP_STACK"
"""Environment variable by which `down` knows the processes of a stack, whoever their parent is."""

LOOPBACK = "127.0.0.1,localhost,::1"


def stack_mark(settings: Settings) -> str:
    """The value of ``STACK_MARK`` for this home."""
    return str(settings.home.resolve())


def confined_environment(settings: Settings) -> dict[str, str]:
    """Variables that keep every library inside ``$SHOPLOOP_HOME`` and off the network."""
    home = settings.home.resolve()
    caches = home / "cache"
    return {
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(settings.bentoml_home.resolve()),
        "DO_NOT_TRACK": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(caches / "dvc-global"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(caches / "dvc-site"),
        "DVC_SYSTEM_CONFIG_DIR": str(caches / "dvc-system"),
        "GX_ANALYTICS_ENABLED": "false",
        "KERAS_HOME": str(caches / "keras"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLCONFIGDIR": str(caches / "matplotlib"),
        "MPLBACKEND": "Agg",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "XDG_CACHE_HOME": str(caches / "xdg-cache"),
        "XDG_CONFIG_HOME": str(caches / "xdg-config"),
        "XDG_DATA_HOME": str(caches / "xdg-data"),
        "XDG_STATE_HOME": str(caches / "xdg-state"),
    }


def stack_environment(settings: Settings) -> dict[str, str]:
    """Environment of a stack process: the caller's, confined, marked, with all settings spelt out."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    binaries = str(Path(sys.executable).parent)
    given = {name: value for name, value in settings.model_dump().items() if value is not None}
    chosen = {f"SHOPLOOP_{name.upper()}": str(value) for name, value in given.items()}
    return (
        inherited
        | confined_environment(settings)
        | mlflow_client_environment(settings)
        | chosen
        | {
            STACK_MARK: stack_mark(settings),
            "SHOPLOOP_HOME": stack_mark(settings),
            "PATH": f"{binaries}{os.pathsep}{inherited.get('PATH', '')}",
            "NO_PROXY": _without_proxy(inherited.get("NO_PROXY", "")),
            "no_proxy": _without_proxy(inherited.get("no_proxy", "")),
            # Compiled modules halve the start of each of these processes; empty means unset to Python.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONUNBUFFERED": "1",
        }
    )


def airflow_environment(settings: Settings) -> dict[str, str]:
    """Airflow's configuration, complete: no ``airflow.cfg`` is relied upon."""
    folder = settings.home.resolve() / "airflow"
    keys = passwords(settings)
    database = settings.airflow_database_url or f"sqlite:///{folder / 'airflow.db'}"
    options = {
        "core.auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "core.dags_folder": settings.checkout / "dags",
        "core.dags_are_paused_at_creation": False,
        "core.execution_api_server_url": f"{settings.airflow}/execution/",
        "core.executor": "LocalExecutor",
        "core.fernet_key": keys.airflow_fernet_key,
        # The default resolves this machine's full name by DNS, which can hang on a laptop.
        "core.hostname_callable": "socket.gethostname",
        "core.load_examples": False,
        "core.max_active_tasks_per_dag": 4,
        "core.min_serialized_dag_update_interval": 5,
        # Four tasks at once: one run trains while the next week lands, on two cores.
        "core.parallelism": 4,
        "core.plugins_folder": folder / "plugins",
        "core.simple_auth_manager_passwords_file": write_airflow_passwords(settings),
        "core.simple_auth_manager_users": f"{keys.airflow_user}:admin",
        "api.base_url": settings.airflow,
        "api.host": settings.host,
        "api.port": settings.port_airflow,
        "api.secret_key": keys.airflow_api_secret,
        "api.workers": 1,
        "api_auth.jwt_secret": keys.airflow_jwt_secret,
        "dag_processor.min_file_process_interval": 10,
        "dag_processor.parsing_processes": 1,
        "dag_processor.refresh_interval": 10,
        "database.sql_alchemy_conn": database,
        "logging.colored_console_log": False,
        "scheduler.catchup_by_default": False,
        # A killed scheduler takes its tasks with it: the next one should notice within a minute or two, not in five.
        "scheduler.orphaned_tasks_check_interval": 30,
        "scheduler.task_instance_heartbeat_timeout": 90,
        "scheduler.scheduler_idle_sleep_time": 0.5,
    }
    variables = {f"AIRFLOW__{name.upper().replace('.', '__')}": str(value) for name, value in options.items()}
    return variables | {"AIRFLOW_HOME": str(folder)}


def mlflow_client_environment(settings: Settings) -> dict[str, str]:
    """What an MLflow client needs to reach the tracking server and to log in."""
    if settings.mlflow_url:  # a server elsewhere: whoever set it also sets how to log in
        return {"MLFLOW_TRACKING_URI": settings.mlflow}
    keys = passwords(settings)
    return {
        "MLFLOW_TRACKING_URI": settings.mlflow,
        "MLFLOW_TRACKING_USERNAME": keys.mlflow_user,
        "MLFLOW_TRACKING_PASSWORD": keys.mlflow_password,
    }


def confine(settings: Settings) -> None:
    """Keep this very process inside ``$SHOPLOOP_HOME``; call it before a library reads its environment."""
    os.environ.update(confined_environment(settings))
    if settings.secrets_file.exists():  # `shoploop --help` makes no passwords
        os.environ.update(mlflow_client_environment(settings))


def describe_environment(settings: Settings) -> str:
    """Airflow's variables as JSON, for people who want to run `airflow` by hand."""
    return json.dumps(airflow_environment(settings), indent=2, sort_keys=True)


def _without_proxy(present: str) -> str:
    return f"{present},{LOOPBACK}" if present else LOOPBACK
