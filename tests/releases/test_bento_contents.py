"""What a Bento brings along: planted secrets and licences are found, and nothing in what is honest."""

import json
from pathlib import Path

import pytest

from pipelines.releases.bento_contents import find_secrets, known_secrets, licence_of, read_licences
from pipelines.settings import CHECKOUT
from pipelines.tables import StorageError

# Put together here, so that this file holds none.
PLANTED = {
    "a private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "the id of an AWS key": "AKIA" + "IOSFODNN7EXAMPLE",
    "a GitHub token": "ghp_" + "a1B2" * 9,
    "a Slack token": "xoxb-" + "123456789012-abcdefghijkl",
    "a signed web token": "eyJ" + "hbGciOiJIUzI1.eyJ" + "zdWIiOiIxMjM0.dBjftJeZ4CVP",
    "a password in an address": "postgresql://shop:" + "hunter2@db/ledger",
    "a password that is written out": "DB_PASSWORD = " + "'correct-horse'",
}


def plant(folder: Path, name: str, content: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("what", PLANTED)
def test_find_secrets__names_file_line_and_kind_and_does_not_repeat_it(tmp_path: Path, what: str) -> None:
    plant(tmp_path, "src/serving/app.py", f"first\n{PLANTED[what]}\n")
    (found,) = find_secrets(tmp_path, {})
    assert found == f"src/serving/app.py, line 2: {what}"


def test_find_secrets__looks_into_arrays_for_what_is_surely_a_secret(tmp_path: Path) -> None:
    plant(tmp_path, "bundle/als.npz", b"\x00\xff " + PLANTED["the id of an AWS key"].encode() + b" \x00")
    assert find_secrets(tmp_path, {}) == ("bundle/als.npz, line 1: the id of an AWS key",)


def test_find_secrets__knows_those_of_this_installation(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "home/secrets.json",
        json.dumps({"events_token": "Zm9vYmFyYmF6cXV4", "airflow_user": "admin"}),
    )
    known = known_secrets(tmp_path / "home" / "secrets.json")
    assert known == {"events_token": "Zm9vYmFyYmF6cXV4"}  # a short one would be found by chance
    plant(tmp_path, "bento/src/items.json", '["admin", "Zm9vYmFyYmF6cXV4"]')
    assert find_secrets(tmp_path / "bento", known) == (
        "src/items.json, line 1: events_token of this installation",
    )


def test_known_secrets__none_were_made_or_the_file_is_broken(tmp_path: Path) -> None:
    assert known_secrets(tmp_path / "secrets.json") == {}
    plant(tmp_path, "secrets.json", "not json")
    with pytest.raises(StorageError, match=r"secrets\.json"):
        known_secrets(tmp_path / "secrets.json")


def test_find_secrets__finds_none_in_our_own_code() -> None:
    assert find_secrets(CHECKOUT / "serving", {}) == ()
    assert find_secrets(CHECKOUT / "pipelines" / "ranking", {}) == ()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("License-Expression: MIT OR GPL-2.0-only\n", "MIT OR GPL-2.0-only"),
        ("Classifier: License :: OSI Approved :: BSD License\nLicense: see below\n", "BSD-3-Clause"),
        (
            "Classifier: License :: OSI Approved :: MIT License\n"
            "Classifier: License :: OSI Approved :: Apache Software License\n",
            "MIT AND Apache-2.0",
        ),
        ("License: GPL-3.0-only\n", "GPL-3.0-only"),
        ("License: " + "A long text. " * 9 + "\n", ""),
        ("", ""),
    ],
)
def test_read_licences__tells_the_one_of_a_planted_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, expected: str
) -> None:
    plant(
        tmp_path,
        "planted_thing-1.0.dist-info/METADATA",
        f"Metadata-Version: 2.4\nName: planted-thing\nVersion: 1.0\n{said}",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    plant(tmp_path, "lock.txt", "planted-thing==1.0 \\\n    --hash=sha256:00\n    # via something\n")
    assert read_licences(tmp_path / "lock.txt") == {"planted-thing": expected}


def test_read_licences__leaves_out_what_is_not_installed_here_by_its_marker(tmp_path: Path) -> None:
    plant(
        tmp_path, "lock.txt", "# by uv\n-i x\nnumpy==2.0 ; python_full_version < '3'\nnot-there==1\n?? what\n"
    )
    assert read_licences(tmp_path / "lock.txt") == {"not-there": "", "?? what": ""}
    assert licence_of("numpy") != ""
