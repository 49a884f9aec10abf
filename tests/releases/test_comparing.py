"""In what two releases differ, and what the commands over the ledger print."""

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from endpoint_under_test import make_release

from pipelines.releases.comparing import Difference, UnknownRelease, compare, compare_params
from pipelines.releases.ledger import Ledger


def decision(ndcg, margin):
    check = {"name": "superior_to_markov", "verdict": "PASS", "observed": ndcg}
    return {"policy": {"policy_version": 1, "champion_margin": margin}, "checks": [check]}


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    first, second = (make_release(44, letter * 64, run_id=f"run-{letter}") for letter in "ab")
    second = replace(second, created_at=first.created_at, bento_path="/elsewhere")
    for release, body in ((first, decision(0.0125, 0.015)), (second, decision(0.02, 0.01))):
        ledger.record_decision(release.run_id, "quality", "PASS", "it passed", body)
        ledger.add_release(release)
    ledger.move(first.release_id, None, "release", "a tester", "it passed", "d-1")
    yield ledger
    ledger.close()


def test_compare__names_fields_policy_and_checks_that_differ(ledger):
    found = compare(ledger, "r-44-aaaaaaaa", "r-44-bbbbbbbb")

    assert found == [
        Difference("run_id", "run-a", "run-b"),
        Difference("bento_tag", "shoploop:aaaaaaaa", "shoploop:bbbbbbbb"),
        Difference("bundle_sha256", "a" * 64, "b" * 64),
        Difference("policy of the quality gate: champion_margin", 0.015, 0.01),
        Difference("quality gate: superior_to_markov", "PASS 0.0125", "PASS 0.02"),
    ]
    assert compare(ledger, "r-44-aaaaaaaa", "r-44-aaaaaaaa") == []


def test_compare__of_an_unknown_release_says_where_to_look(ledger):
    with pytest.raises(UnknownRelease, match=r"no release 'r-1': see `shoploop releases list`"):
        compare(ledger, "r-44-aaaaaaaa", "r-1")


def keep_params(tmp_path, run_id, text):
    file = tmp_path / "workspaces" / run_id / "params.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return hashlib.sha256(json.dumps(yaml.safe_load(text), sort_keys=True).encode()).hexdigest()


@pytest.fixture
def two_params(ledger, tmp_path):
    """Two releases that were made with other parameters, whose files are still in the workspaces."""
    texts = {
        "c": "# first\ntrain:\n  epochs: 4\n  old: 1\nseed: 7\n",
        "d": "seed: 7\ntrain: {epochs: 9, parts: [a, b]}\n",
    }
    made = {
        letter: replace(
            make_release(46, letter * 64, run_id=f"run-{letter}"),
            params_sha256=keep_params(tmp_path, f"run-{letter}", text),
        )
        for letter, text in texts.items()
    }
    return [ledger.add_release(release) for release in made.values()]


def test_compare_params__names_every_key_that_differs(two_params, tmp_path):
    files = [tmp_path / "workspaces" / release.run_id / "params.yaml" for release in two_params]
    assert compare_params(*two_params, *files) == [
        Difference("params.yaml: train.epochs", 4, 9),
        Difference("params.yaml: train.old", 1, None),
        Difference("params.yaml: train.parts", None, ["a", "b"]),
    ]
    assert compare_params(two_params[0], two_params[0], files[0], files[0]) == []


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda file: file.write_text("seed: 8"), lambda file: file.write_text("{")]
)
def test_diff__says_when_the_parameters_are_not_known_any_more(two_params, tmp_path, spoil):
    names = [release.release_id for release in two_params]
    known = releases(tmp_path, "diff", *names)
    assert re.search(r"params.yaml: train.epochs +4  ->  9\n", known.stdout)
    assert known.stderr == ""
    spoil(tmp_path / "workspaces" / "run-d" / "params.yaml")
    gone = releases(tmp_path, "diff", *names, "--json")
    assert gone.stderr.startswith("Which parameters differ is not known")
    told = [row["what"] for row in json.loads(gone.stdout)]
    assert "params_sha256" in told
    assert not [what for what in told if what.startswith("params.yaml")]


def test_show__names_the_link_of_the_release(ledger, tmp_path):
    shown = releases(tmp_path, "show", "r-44-aaaaaaaa")
    # The decision of its run came first.
    with ledger.engine.connect() as connection:
        query = sa.text("SELECT link_sha256 FROM chain WHERE seq = 2")
        assert f"link             2 of the chain, {connection.execute(query).scalar_one()}" in shown.stdout
    assert json.loads(releases(tmp_path, "show", "r-44-aaaaaaaa", "--json").stdout)["link"]["seq"] == 2


def releases(tmp_path, *words):
    command = [sys.executable, "-m", "pipelines.cli", "releases", *words]
    environment = os.environ | {"SHOPLOOP_HOME": str(tmp_path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_history_at__says_what_was_live_then(ledger, tmp_path):
    (move,) = ledger.history()
    now = releases(tmp_path, "history", "--at", move.moved_at.isoformat())
    assert "r-44-aaaaaaaa was live, since:" in now.stdout
    assert "by a tester: it passed" in now.stdout
    assert "on decision d-1" in now.stdout
    before = releases(tmp_path, "history", "--at", "2020-01-01T00:00+02:00")
    assert before.stdout == "At 2019-12-31 22:00:00 UTC nothing was live yet.\n"
    wrong = releases(tmp_path, "history", "--at", "yesterday")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "found 'yesterday'" in wrong.stderr


def test_verify__tells_the_head_and_ends_with_1_when_a_row_was_changed(ledger, tmp_path):
    head = ledger.head()
    whole = releases(tmp_path, "verify", "--json", "--expect-head", head[:12])
    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout) == {"links": 5, "head": head, "adopted": 0, "faults": []}
    upper = releases(tmp_path, "verify", "--expect-head", head.upper())
    assert upper.returncode == 0
    for wrong in ("abc", "not a head at all"):
        refused = releases(tmp_path, "verify", "--expect-head", wrong)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"found {wrong!r}" in refused.stderr
    with ledger.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("DROP TRIGGER moves_no_update")
        connection.exec_driver_sql("UPDATE moves SET actor = 'somebody else'")
    touched = releases(tmp_path, "verify")
    assert touched.returncode == 1
    assert "moves [1]: the row was changed after it was written" in touched.stdout


@pytest.mark.parametrize("word", ["verify", "list"])
def test_commands__say_in_words_why_a_ledger_cannot_be_opened(ledger, tmp_path, word):
    with ledger.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("INSERT INTO versions VALUES (99, '2026-11-01 00:00:00')")
    ledger.close()
    newer = releases(tmp_path, word)
    assert (newer.returncode, newer.stdout) == (2, "")
    assert newer.stderr.startswith("the ledger was written by a newer shoploop (tables of version 99")
    for file in tmp_path.glob("ledger.db*"):
        file.write_bytes(b"no database" * 100)
    broken = releases(tmp_path, word)
    assert (broken.returncode, broken.stdout) == (1, "")
    assert "ledger.db cannot be opened (file is not a database)" in broken.stderr
    assert "Traceback" not in broken.stderr


def test_backup_and_restore__from_the_command_line(ledger, tmp_path):
    file, other = tmp_path / "ledger.gz", tmp_path / "other"
    other.mkdir()
    written = releases(tmp_path, "backup", str(file))
    assert written.returncode == 0, written.stderr
    assert f"Head: {ledger.head()}" in written.stdout
    filled = releases(other, "restore", str(file))
    assert "5 rows restored and verified; live: r-44-aaaaaaaa." in filled.stdout
    again = releases(other, "restore", str(file))
    assert again.returncode == 2
    assert "has rows already" in again.stderr
