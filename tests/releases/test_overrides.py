"""Overrides have an author, a reason and an end, and open nothing when they lapsed."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipelines.actions.release_model import describe_release
from pipelines.releases import schema
from pipelines.releases.ledger import Ledger
from pipelines.releases.overrides import override_decision, overrides_of, standing_override
from pipelines.releases.records import LedgerError, utc_now
from pipelines.run_facts import RunFacts, write_result

HOUR = timedelta(hours=1)
FAILED = {"name": "superior_to_markov", "verdict": "FAIL", "message": "it does not beat markov"}


@pytest.fixture
def ledger(url):
    made = Ledger(url)
    yield made
    made.close()


@pytest.fixture
def refused(ledger):
    return ledger.record_decision("run-1", "quality", "FAIL", "it failed", {"checks": [FAILED]})


def test_override__stands_for_decisions_of_the_same_content_until_it_ends(ledger, refused, monkeypatch):
    again = ledger.record_decision("run-2", "quality", "FAIL", "it failed", {"checks": [FAILED]})
    other = ledger.record_decision("run-3", "quality", "FAIL", "it failed", {"checks": [FAILED, FAILED]})
    made = override_decision(ledger, refused, "Ada", "it is urgent", utc_now() + HOUR)

    assert standing_override(ledger, refused) == standing_override(ledger, again) == made
    assert standing_override(ledger, other) is None
    assert standing_override(ledger, "d-unknown") is None
    assert ledger.verify().faults == ()
    monkeypatch.setattr("pipelines.releases.overrides.utc_now", lambda: made.expires_at)
    assert standing_override(ledger, refused) is None
    assert overrides_of(ledger, ledger.decision(refused)) == [made]
    assert made.words(made.expires_at).startswith("overridden by Ada (lapsed ")


def test_override__the_latest_that_stands_counts(ledger, refused):
    override_decision(ledger, refused, "Ada", "first", utc_now() + HOUR)
    second = override_decision(ledger, refused, "Bob", "second", utc_now() + 2 * HOUR)
    assert standing_override(ledger, refused) == second


def test_override__cannot_be_taken_back_by_changing_the_row(ledger, refused):
    override_decision(ledger, refused, "Ada", "it is urgent", utc_now() + HOUR)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), ledger.engine.connect() as connection:
        connection.execute(schema.gate_overrides.delete())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"decision_id": "d-1"}, "no decision 'd-1'"),
        ({"actor": " "}, "needs an actor and a reason"),
        ({"reason": ""}, "needs an actor and a reason"),
        ({"hours": 0}, "ends within 30 days from now"),
        ({"hours": 24 * 31}, "ends within 30 days from now"),
    ],
)
def test_override__of_nothing_for_ever_or_without_a_name_is_refused(ledger, refused, change, says):
    asked = {"decision_id": refused, "actor": "Ada", "reason": "it is urgent", "hours": 1} | change
    expires = utc_now() + asked.pop("hours") * HOUR
    with pytest.raises(LedgerError, match=says):
        override_decision(ledger, **asked, expires_at=expires)
    assert overrides_of(ledger, ledger.decision(refused)) == []


@pytest.mark.parametrize(
    ("kind", "verdict", "says"),
    [
        ("quality", "PASS", "passed: there is nothing to override"),
        ("package", "FAIL", "measures a Bento anew"),
    ],
)
def test_override__of_what_needs_none_is_refused(ledger, kind, verdict, says):
    decision = ledger.record_decision("run-1", kind, verdict, "", {})
    with pytest.raises(LedgerError, match=says):
        override_decision(ledger, decision, "Ada", "it is urgent", utc_now() + HOUR)


@pytest.mark.parametrize(
    "check",
    [
        "holdout_is_frozen",
        "past_only",
        "features_of_the_week",
        "learned_from_what_landed",
        "champion_unseen_holdout",
    ],
)
def test_override__of_evidence_that_is_not_valid_is_refused(ledger, check):
    body = {"checks": [FAILED, FAILED | {"name": check}]}
    decision = ledger.record_decision("run-1", "quality", "FAIL", "it failed", body)
    with pytest.raises(LedgerError, match=f"{check} failed, so that its figures are of no worth"):
        override_decision(ledger, decision, "Ada", "it is urgent", utc_now() + HOUR)


def judged(workspace, decision_id, override_id):
    """The workspace of a run whose candidate was refused and whose package passed."""
    facts = RunFacts("run-1", 44, "t", False, (), "f", "d", "p", "l", {}, True, False, "", None)
    facts.write(workspace)
    (workspace / "dvc.lock").write_text("")
    result = {"verdict": "FAIL", "decision_id": decision_id, "override_id": override_id}
    write_result(workspace, "read_decision", result)
    write_result(workspace, "decide_package", {"verdict": "PASS", "decision_id": "d-2"})
    bento = {"release_id": "r-44-a", "bento_tag": "x:1", "bento_path": "/x", "bundle_sha256": "a"}
    write_result(workspace, "build_bento", bento)
    write_result(workspace, "register_version", {"model_version": "1"})
    return facts


def test_release_model__is_let_by_an_override_that_stands_and_by_no_other(
    ledger, refused, tmp_path, monkeypatch
):
    facts = judged(tmp_path, refused, None)
    with pytest.raises(LedgerError, match="only PASS is released"):
        describe_release(ledger, facts, tmp_path)
    made = override_decision(ledger, refused, "Ada", "it is urgent", utc_now() + HOUR)
    judged(tmp_path, refused, made.override_id)
    assert describe_release(ledger, facts, tmp_path).decision_id == refused
    monkeypatch.setattr("pipelines.releases.overrides.utc_now", lambda: made.expires_at)
    with pytest.raises(LedgerError, match=f"{made.override_id} has lapsed"):
        describe_release(ledger, facts, tmp_path)


def gate(tmp_path, *words):
    command = [sys.executable, "-m", "pipelines.cli", "gate", *words]
    environment = os.environ | {"SHOPLOOP_HOME": str(tmp_path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_command__says_what_to_do_next_and_shows_it_where_the_decision_is_explained(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    body = {"verdict": "FAIL", "checks": [{"name": "a", "verdict": "FAIL", "message": "m"}]}
    refused = ledger.record_decision("run-1", "quality", "FAIL", "it failed", body)

    done = gate(
        tmp_path, "override", refused, "--reason", "it is urgent", "--expires", "24h", "--actor", "Ada"
    )

    assert done.returncode == 0, done.stderr
    assert "is overridden by Ada (until " in done.stdout
    assert "Clear the task read_decision" in done.stdout
    assert "It is overridden by Ada (until " in gate(tmp_path, "explain", "run-1").stdout
    wrong = gate(tmp_path, "override", refused, "--reason", "x", "--expires", "soon")
    assert wrong.returncode == 2
    assert "found 'soon'" in wrong.stderr
    late = gate(tmp_path, "override", refused, "--reason", "x", "--expires", "2020-01-01T00:00")
    assert late.returncode == 2
    assert "ends within 30 days" in late.stderr
