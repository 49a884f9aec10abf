"""Random passwords and keys, made on first start and kept in one file of mode 0600."""

import base64
import secrets

from pydantic import BaseModel, ConfigDict

from pipelines.settings import Settings
from pipelines.stack.files import read_json, write_json, write_private


class Passwords(BaseModel):
    """What a person types and what the services sign with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    airflow_user: str
    airflow_password: str
    airflow_fernet_key: str
    airflow_jwt_secret: str
    airflow_api_secret: str
    mlflow_user: str
    mlflow_password: str
    mlflow_secret_key: str
    events_token: str
    admin_token: str


def passwords(settings: Settings) -> Passwords:
    """The passwords of this installation; made at the first call."""
    kept = read_json(settings.secrets_file)
    missing = {name: value for name, value in _fresh().items() if name not in kept}
    if missing:
        write_json(settings.secrets_file, kept | missing)
    return Passwords.model_validate(kept | missing)


def _fresh() -> dict[str, str]:
    return {
        "airflow_user": "admin",
        "airflow_password": secrets.token_urlsafe(15),
        # Fernet takes exactly 32 bytes in URL-safe base64.
        "airflow_fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "airflow_jwt_secret": secrets.token_urlsafe(48),
        "airflow_api_secret": secrets.token_urlsafe(48),
        "mlflow_user": "admin",
        "mlflow_password": secrets.token_urlsafe(15),
        "mlflow_secret_key": secrets.token_urlsafe(48),
        "events_token": secrets.token_urlsafe(24),
        "admin_token": secrets.token_urlsafe(24),
    }


def write_airflow_passwords(settings: Settings) -> str:
    """Write the file that Airflow's SimpleAuthManager reads; returns its path."""
    path = settings.home / "airflow" / "passwords.json"
    known = passwords(settings)
    content = {known.airflow_user: known.airflow_password}
    if read_json(path) != content:
        write_json(path, content)
    return str(path)


def mlflow_server_passwords(settings: Settings) -> dict[str, str]:
    """Write the file that MLflow's basic authentication reads; returns the variables of its server."""
    folder = settings.home.resolve() / "mlflow"
    path, known = folder / "auth.ini", passwords(settings)
    lines = [
        "[mlflow]",
        "default_permission = READ",
        f"database_uri = sqlite:///{folder / 'auth.db'}",
        f"admin_username = {known.mlflow_user}",
        f"admin_password = {known.mlflow_password}",
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth",
    ]
    write_private(path, "\n".join(lines) + "\n")
    return {"MLFLOW_AUTH_CONFIG_PATH": str(path), "MLFLOW_FLASK_SERVER_SECRET_KEY": known.mlflow_secret_key}
