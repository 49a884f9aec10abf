"""`shoploop keys`."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.stack.endpoint_keys import key_header
from pipelines.stack.passwords import passwords
from serving.keys import Keys


def shoploop(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.cli", "keys", *words]
    return subprocess.run(
        command, env=os.environ | {"SHOPLOOP_HOME": str(home)}, capture_output=True, text=True
    )


def test_keys__are_shown_once_kept_as_hashes_and_taken_away(tmp_path: Path) -> None:
    made = shoploop(tmp_path, "add", "web shop", "--scope", "read", "--scope", "events", "--per-second", "50")
    assert made.returncode == 0, made.stderr
    token, file = made.stdout.strip(), tmp_path / "keys.json"
    assert len(token) > 40
    assert token not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    Keys(file, {}, frozenset()).check(f"Bearer {token}".encode(), "events")

    (listed,) = json.loads(shoploop(tmp_path, "list", "--json").stdout)
    assert (listed["name"], listed["scopes"], listed["per_second"]) == ("web shop", ["read", "events"], 50)
    assert "web shop" in shoploop(tmp_path, "list").stdout

    assert shoploop(tmp_path, "remove", "web shop").returncode == 0
    assert json.loads(shoploop(tmp_path, "list", "--json").stdout) == []
    assert "There are none" in shoploop(tmp_path, "list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "web"], "--scope"),
        (
            ["add", "web", "--scope", "everything"],
            "--scope everything: expected one of read, events, log, admin",
        ),
        (["add", "web", "--scope", "read", "--per-second", "0"], "per-second"),
        (["add", "known", "--scope", "read"], "there is a key 'known' already"),
        (
            ["remove", "unknown"],
            "there is no key 'unknown': `shoploop keys list` shows those there are (known)",
        ),
    ],
)
def test_keys__say_what_is_wrong(tmp_path: Path, words: list[str], said: str) -> None:
    assert shoploop(tmp_path, "add", "known", "--scope", "admin").returncode == 0
    before = (tmp_path / "keys.json").read_bytes()
    done = shoploop(tmp_path, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert (tmp_path / "keys.json").read_bytes() == before


def test_keys__of_a_broken_file_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    for words in (["list"], ["add", "web", "--scope", "read"], ["remove", "web"]):
        done = shoploop(tmp_path, *words)
        assert (done.returncode, "move it away" in done.stderr) == (2, True)
    assert (tmp_path / "keys.json").read_text() == "{"


def test_settings__ask_for_keys_where_others_can_reach_the_endpoint() -> None:
    assert Settings().open_to_all == "read,events"
    assert Settings(host="0.0.0.0").open_to_all == "none"
    assert Settings(host="0.0.0.0", open_scopes="read").open_to_all == "read"


def test_key_header__is_that_of_the_installation(tmp_path: Path) -> None:
    here = Settings(home=tmp_path)
    assert key_header(here) == {}
    token = passwords(here).admin_token
    assert key_header(here) == {"authorization": f"Bearer {token}"}
