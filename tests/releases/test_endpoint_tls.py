"""TLS on the endpoint's public port: Caddy ends it, what lies behind is asked as ever."""

import http.client
import json
import ssl
import subprocess
import sys

import pytest
from endpoint_under_test import EndpointUnderTest

from pipelines.commands.recommend import EndpointError, ask
from pipelines.releases.bento import base_environment
from pipelines.releases.switch import served_release
from pipelines.settings import Settings
from pipelines.stack.components import endpoint as endpoint_component
from serving.tls import trusting
from tests.certificates import make_pair


class EndpointWithTls(EndpointUnderTest):
    """Asked with nothing but its own certificate trusted."""

    def __init__(self, home, certificate, key):
        super().__init__(home)
        self.settings = self.settings.model_copy(update={"tls_cert": str(certificate), "tls_key": str(key)})

    def environment(self):
        files = {"SHOPLOOP_TLS_CERT": self.settings.tls_cert, "SHOPLOOP_TLS_KEY": self.settings.tls_key}
        return super().environment() | files

    def get(self, path, context=None):
        context = context or trusting(self.settings.tls_files[0])
        port = self.settings.port_endpoint
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=15, context=context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or "null")
        except ConnectionRefusedError:
            return 0, None
        finally:
            connection.close()


@pytest.fixture
def files(tmp_path):
    return make_pair(tmp_path, address="192.0.2.1")  # who asks by another address gets it all the same


@pytest.fixture
def secured(tmp_path, files):
    home = tmp_path / "home"
    home.mkdir()
    endpoint = EndpointWithTls(home, *files)
    yield endpoint
    endpoint.stop()


def test_endpoint__speaks_tls_and_is_known_to_its_own_installation(secured, tmp_path, monkeypatch):
    first, second = secured.add(44, "a"), secured.add(45, "b")
    secured.start()
    assert secured.settings.endpoint.startswith("https://")
    secured.make_live(first)
    secured.make_live(second)
    assert served_release(secured.settings) == second
    assert endpoint_component(secured.settings).probe(secured.settings, 0.0) is None
    with pytest.raises(ssl.SSLCertVerificationError):
        secured.get("/healthz", trusting(make_pair(tmp_path, "another")[0]))
    plain = http.client.HTTPConnection("127.0.0.1", secured.settings.port_endpoint, timeout=15)
    plain.request("GET", "/healthz")
    assert plain.getresponse().status == 400
    plain.close()
    monkeypatch.setattr("pipelines.settings.settings", lambda: secured.settings)
    with pytest.raises(KeyError):  # the tiny release answered, and names no reasons
        ask("1", 10)["nothing"]


def test_endpoint__names_the_file_that_it_cannot_use(secured, files):
    certificate, _ = files
    command = [sys.executable, "-m", "pipelines.releases.endpoint"]
    environment = secured.environment() | {"SHOPLOOP_TLS_KEY": str(certificate)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"SHOPLOOP_TLS_KEY: {certificate}: holds no private key")


def test_base_environment__has_what_lies_behind_caddy_asked_without_tls(monkeypatch):
    monkeypatch.setenv("SHOPLOOP_TLS_CERT", "cert.pem")
    monkeypatch.setenv("SHOPLOOP_TLS_KEY", "key.pem")
    assert not [name for name in base_environment() if "TLS" in name]


def test_recommend__names_a_certificate_that_is_gone(monkeypatch, tmp_path):
    settings = Settings(home=tmp_path, tls_cert=str(tmp_path / "gone.pem"), tls_key="gone.key")
    monkeypatch.setattr("pipelines.settings.settings", lambda: settings)
    with pytest.raises(EndpointError, match=r"gone\.pem"):
        ask("1", 10)
