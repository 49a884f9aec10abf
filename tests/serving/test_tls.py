"""TLS on the data plane, with certificates made here and requests that verify them."""

import http.client
import json
import ssl
import sys
import time
from pathlib import Path

import pytest

from pipelines.releases.bento import free_port
from serving.tls import TlsError, require_pair, trusting
from tests.certificates import make_pair
from tests.serving.plane_under_test import CHECKOUT, Plane, Starter


def ask(port: int, path: str, context: ssl.SSLContext) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def eventually_ready(plane: Plane, port: int, context: ssl.SSLContext) -> None:
    for _ in range(600):
        try:
            if ask(port, "/readyz", context)[0] == 200:
                return
        except OSError:
            assert plane.process.poll() is None, plane.log
        time.sleep(0.05)
    raise AssertionError(plane.log)


def with_tls(monkeypatch: pytest.MonkeyPatch, certificate: Path, key: Path) -> None:
    monkeypatch.setenv("SHOPLOOP_TLS_CERT", str(certificate))
    monkeypatch.setenv("SHOPLOOP_TLS_KEY", str(key))


def test_plane__speaks_tls_alone_where_it_has_a_certificate(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_pair(tmp_path)
    with_tls(monkeypatch, certificate, key)
    plane = start()
    checked = ssl.create_default_context(cafile=certificate)  # the name in it is verified as well
    checked.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    eventually_ready(plane, plane.port, checked)
    assert ask(plane.port, "/v1/release", checked)[1]["release"] == "r-44-tiny"
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(plane.port, "/v1/release", trusting(make_pair(tmp_path, "another")[0]))
    with pytest.raises((OSError, http.client.HTTPException)):
        plane.ask("GET", "/healthz")
    plane.process.terminate()
    assert plane.process.wait(20) == 0


def test_bentoml__knows_that_a_plane_with_tls_is_well(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_pair(tmp_path)
    with_tls(monkeypatch, certificate, key)
    port = free_port()
    bentoml = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "serving.service:Shoploop",
        "--working-dir",
        str(CHECKOUT),
    ]
    plane = start(command=[*bentoml, "--host", "127.0.0.1", "--port", str(port)], start_new_session=True)
    try:
        eventually_ready(plane, plane.port, trusting(certificate))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                assert plane.process.poll() is None, plane.log
                time.sleep(0.1)
            finally:
                connection.close()
        else:
            raise AssertionError(plane.log)
    finally:
        plane.process.terminate()
        plane.process.wait(30)


def test_require_pair__says_which_file_is_at_fault(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    require_pair(certificate, key)
    require_pair(None, None)
    locked = make_pair(tmp_path, "locked", b"secret")
    closed = tmp_path / "closed.key"
    closed.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    faults = [
        (certificate, None, "SHOPLOOP_TLS_KEY is not set"),
        (None, key, "SHOPLOOP_TLS_CERT is not set"),
        (tmp_path / "none.pem", key, f"SHOPLOOP_TLS_CERT: {tmp_path / 'none.pem'}: cannot be read"),
        (certificate, tmp_path, f"SHOPLOOP_TLS_KEY: {tmp_path}: cannot be read"),
        (key, key, f"SHOPLOOP_TLS_CERT: {key}: holds no certificate"),
        (certificate, certificate, f"SHOPLOOP_TLS_KEY: {certificate}: holds no private key"),
        (certificate, closed, f"SHOPLOOP_TLS_KEY: {closed}: holds no private key"),
        (certificate, make_pair(tmp_path, "other")[1], f"is not the key of {certificate}"),
        (
            locked[0],
            locked[1],
            f"SHOPLOOP_TLS_KEY: {locked[1]}: holds no private key as PEM without a password",
        ),
    ]
    for first, second, told in faults:
        with pytest.raises(TlsError) as refused:
            require_pair(first, second)
        assert told in str(refused.value)


def test_start__missing_certificate_ends_with_its_name(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_tls(monkeypatch, tmp_path / "gone.pem", tmp_path / "gone.key")
    plane = start()
    assert plane.process.wait(20) == 1
    assert f"SHOPLOOP_TLS_CERT: {tmp_path / 'gone.pem'}: cannot be read" in plane.log
