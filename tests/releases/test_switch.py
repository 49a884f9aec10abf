"""Releasing and rolling back through a real endpoint."""

import json
import shutil
import subprocess
import sys
import threading

import pytest
from endpoint_under_test import Load, eventually, make_release

from pipelines.actions.release_model import release_model
from pipelines.actions.roll_back import roll_back
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LeaseTaken, LedgerError, StaleMove, release_id_of
from pipelines.releases.status import EndpointDown
from pipelines.releases.switch import Mover, NotConfirmed, NotReady
from pipelines.run_facts import RunFacts, write_json, write_result
from pipelines.settings import CHECKOUT
from pipelines.workspace import WorkspaceError

SHA = {letter: letter * 64 for letter in "abcdef"}


@pytest.fixture
def shop(endpoint, tmp_path):
    endpoint.start()
    return Shop(endpoint, tmp_path)


class Shop:
    """Runs that end with a Bento, without the training before it."""

    def __init__(self, endpoint, folder):
        self.endpoint, self.settings, self.ledger = endpoint, endpoint.settings, endpoint.ledger
        self.folder = folder
        self.mover = Mover(self.ledger, self.settings, prepare_seconds=20, confirm_seconds=5)

    def finished_run(
        self, week, letter, champion, behaviour="good", verdict="PASS", name="run", bundle="", decision="1"
    ):
        """``letter`` stands for all that the Bento holds, ``bundle`` (the same if empty) for its model."""
        workspace = self.folder / "workspaces" / f"{name}-{week}-{letter}"
        bento = self.folder / "bentos" / letter
        bento.mkdir(parents=True, exist_ok=True)
        (bento / "behaviour").write_text(behaviour)
        facts = dict.fromkeys(("tree_id", "fingerprint", "data_sha256", "params_sha256", "lock_sha256"), "x")
        choices = {"promote": True, "require_approval": False, "overrides": {}, "changed": [], "dirty": False}
        rest = {"run_id": workspace.name, "week": week, "reason": "weekly", "champion_release_id": champion}
        write_json(workspace / "run" / "run.json", facts | choices | rest)
        assert RunFacts.read(workspace).week == week
        made = {"bento_tag": f"shoploop:{letter}", "bento_path": str(bento)}
        made |= {"release_id": release_id_of(week, SHA[letter]), "bundle_sha256": SHA[bundle or letter]}
        write_result(workspace, "build_bento", made)
        write_result(workspace, "register_version", {"model_version": "7"})
        judged = {"verdict": verdict, "decision_id": f"d-quality-{decision}", "note": "good"}
        write_result(workspace, "read_decision", judged)
        write_result(workspace, "decide_package", {"verdict": "PASS", "summary": "good"})
        (workspace / "dvc.lock").write_text("schema: '2.0'\n")
        shutil.copyfile(CHECKOUT / "params.yaml", workspace / "params.yaml")
        return workspace

    def release(self, workspace):
        return release_model(self.settings, self.ledger, workspace, self.mover)

    def roll_back_for_task(self, to=None, reason="bad"):
        return roll_back(self.settings, self.ledger, reason, "tester", to, self.folder / "task")

    def command(self, *words):
        return subprocess.run(
            [sys.executable, "-m", "pipelines.cli", *words],
            env=self.endpoint.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )


def test_release_model__makes_live_and_doing_it_again_changes_nothing(shop):
    workspace = shop.finished_run(44, "a", None)
    switch = shop.release(workspace)
    assert switch.release_id == "r-44-aaaaaaaa"
    assert shop.endpoint.serves() == "r-44-aaaaaaaa"
    kept = shop.ledger.release("r-44-aaaaaaaa")
    assert (kept.model_version, kept.decision_id, kept.run_id) == ("7", "d-quality-1", "run-44-a")
    again = shop.release(workspace)
    assert again.seq is None
    assert len(shop.ledger.history()) == 1
    assert json.loads((workspace / "run" / "release_model.json").read_text())["release_id"] == "r-44-aaaaaaaa"
    assert shop.ledger.plan().prepared == ()


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("broken", "bundle.json: cannot be read; restore the bundle"),
        ("unusable", "weights.npz: sha256 expected 11, found 22; train again"),
    ],
)
def test_release_model__refuses_a_corrupt_bento_in_words_and_the_old_one_answers(shop, behaviour, words):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    with Load(shop.settings.port_endpoint, clients=2) as load:
        with pytest.raises(NotReady, match=words):
            shop.release(shop.finished_run(45, "b", first, behaviour))
        eventually(lambda: load.answers[first] > 300, what="load")
    assert load.failures == []
    assert set(load.answers) == {first}
    assert shop.ledger.live().release_id == first
    eventually(lambda: set(shop.endpoint.status().releases) == {first}, what="the end of the failed one")


def test_release_model__refuses_one_that_never_becomes_ready(endpoint, tmp_path):
    endpoint.start(start_seconds=2)
    shop = Shop(endpoint, tmp_path)
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    with pytest.raises(NotReady, match="not ready within 2 s: /readyz answers 503"):
        shop.release(shop.finished_run(45, "b", first, "unready"))
    assert shop.endpoint.serves() == first


def test_release_model__starts_a_failed_release_anew_when_asked_again(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    with pytest.raises(NotReady):
        shop.release(shop.finished_run(45, "b", first, "broken"))
    assert shop.release(shop.finished_run(45, "b", first)).release_id == shop.endpoint.serves()


def test_release_model__refuses_a_champion_that_is_no_longer_live(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    second = shop.release(shop.finished_run(45, "b", first)).release_id
    with pytest.raises(StaleMove, match=f"judged against {first}, but {second} is live"):
        shop.release(shop.finished_run(45, "c", first))
    assert shop.endpoint.serves() == second


def test_release_model__serves_other_code_around_the_same_bundle(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    switch = shop.release(shop.finished_run(44, "b", first, bundle="a"))
    assert (switch.release_id, switch.previous_release_id) == ("r-44-bbbbbbbb", first)
    assert shop.endpoint.serves() == "r-44-bbbbbbbb"
    assert len({release.bundle_sha256 for release in shop.ledger.releases()}) == 1


def test_release_model__of_what_was_judged_twice_names_the_decision_that_moved_it(shop):
    """The first run's release is known to the ledger, and was not moved: its champion was gone."""
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    early = shop.finished_run(45, "c", first, decision="against-first")
    second = shop.release(shop.finished_run(45, "b", first)).release_id
    with pytest.raises(StaleMove):
        shop.release(early)
    third = shop.release(
        shop.finished_run(45, "c", second, name="late", decision="against-second")
    ).release_id
    assert shop.ledger.release(third).decision_id == "d-quality-against-first"
    assert shop.ledger.history()[-1].decision_id == "d-quality-against-second"


def test_release_model__releases_only_what_passed(shop):
    with pytest.raises(LedgerError, match="verdict 'FAIL'; only PASS"):
        shop.release(shop.finished_run(44, "a", None, verdict="FAIL"))
    workspace = shop.finished_run(44, "b", None)
    (workspace / "run" / "decide_package.json").unlink()
    with pytest.raises(WorkspaceError, match="decide_package"):
        shop.release(workspace)
    assert shop.ledger.history() == []


def test_release_model__of_two_runs_at_once_one_waits_for_the_lease(shop):
    shop.release(shop.finished_run(44, "a", None))
    with shop.ledger.lease("another run", 60), pytest.raises(LeaseTaken, match="another run until"):
        shop.release(shop.finished_run(45, "b", "r-44-aaaaaaaa"))


def test_release_model__says_how_to_start_an_endpoint_that_is_not_running(endpoint, tmp_path):
    shop = Shop(endpoint, tmp_path)
    with pytest.raises(EndpointDown, match="shoploop up"):
        shop.release(shop.finished_run(44, "a", None))
    endpoint.start()
    endpoint.process.kill()
    endpoint.process.wait()
    with pytest.raises(EndpointDown, match="shoploop up"):
        shop.release(shop.finished_run(44, "a", None))
    assert shop.ledger.history() == []


def test_release_model__puts_the_former_release_back_when_nobody_confirms(shop):
    """The supervisor is stopped after the warming: the port goes on answering from the old release."""
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    second = make_release(45, SHA["b"], shop.folder / "bentos" / "b")
    shop.finished_run(45, "b", first)
    shop.ledger.add_release(second)
    shop.mover.prepare(second.release_id)
    shop.endpoint.process.send_signal(19)  # SIGSTOP: alive, and doing nothing
    try:
        with pytest.raises(NotConfirmed, match=f"moved back to {first}"):
            shop.mover.release(second, first, "tester", "weekly")
        assert shop.ledger.live().release_id == first
        assert [move.kind for move in shop.ledger.history()] == ["release", "release", "rollback"]
    finally:
        shop.endpoint.process.send_signal(18)
    assert shop.endpoint.serves() == first


def test_roll_back__to_the_previous_without_one_failed_request(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    second = shop.release(shop.finished_run(45, "b", first)).release_id
    with Load(shop.settings.port_endpoint) as load:
        eventually(lambda: load.answers[second] > 200, what="load")
        switch = roll_back(shop.settings, shop.ledger, "it was bad", "tester")
        eventually(lambda: load.answers[first] > 200, what="load after it")
    assert load.failures == []
    assert (switch.release_id, switch.previous_release_id) == (first, second)
    assert shop.ledger.history()[-1].reason == "it was bad"


def test_roll_back__to_a_named_release_that_is_no_longer_warm(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    second = shop.release(shop.finished_run(45, "b", first)).release_id
    third = shop.release(shop.finished_run(46, "c", second)).release_id
    eventually(lambda: first not in shop.endpoint.status().releases, what="the end of the oldest")
    with Load(shop.settings.port_endpoint, clients=2) as load:
        roll_back(shop.settings, shop.ledger, "both were bad", "tester", first)
        eventually(lambda: load.answers[first] > 50, what="load")
    assert load.failures == []
    assert load.answers[third] > 0
    eventually(lambda: set(shop.endpoint.status().releases) == {first}, what="the end of what was undone")


def test_roll_back__refuses_what_makes_no_sense(shop):
    def asked(**words):
        return roll_back(shop.settings, shop.ledger, **({"reason": "bad", "actor": "tester"} | words))

    with pytest.raises(LedgerError, match="no previous release"):
        asked()
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    with pytest.raises(LedgerError, match="no previous release"):
        asked()
    with pytest.raises(LedgerError, match="live already"):
        asked(to=first)
    with pytest.raises(LedgerError, match="no release 'r-1-none'"):
        asked(to="r-1-none")
    second = shop.release(shop.finished_run(45, "b", first)).release_id
    with pytest.raises(LedgerError, match="reason"):
        asked(reason=" ")
    assert shop.endpoint.serves() == second


def test_roll_back__is_possible_while_a_release_is_being_moved(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    second = shop.release(shop.finished_run(45, "b", first)).release_id
    outcome = []

    def late():
        ledger = Ledger(shop.settings.ledger)
        try:
            mover = Mover(ledger, shop.settings)
            outcome.append(release_model(shop.settings, ledger, shop.finished_run(46, "c", second), mover))
        except StaleMove as error:
            outcome.append(error)

    thread = threading.Thread(target=late)
    thread.start()
    eventually(lambda: shop.ledger.plan().prepared, what="the preparation")
    roll_back(shop.settings, shop.ledger, "urgent", "tester")
    thread.join(30)
    assert isinstance(outcome[0], StaleMove)
    assert shop.endpoint.serves() == first


def test_commands__list_show_history_and_rollback(shop):
    assert "No release yet" in shop.command("releases", "list").stdout
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    done = shop.command("action", "release_model", "--workspace", str(shop.finished_run(45, "b", first)))
    assert done.returncode == 0, done.stderr
    assert "r-45-bbbbbbbb is live (before: r-44-aaaaaaaa)" in done.stdout
    noted = shop.ledger.head()
    assert f"head of the ledger {noted[:12]}" in done.stdout
    rows = json.loads(shop.command("releases", "list", "--json").stdout)
    assert [(row["release_id"], row["stands"]) for row in rows] == [
        ("r-45-bbbbbbbb", "live"),
        ("r-44-aaaaaaaa", "previous"),
    ]
    back = shop.command("releases", "rollback", "--reason", "too salty", "--json")
    assert json.loads(back.stdout)["release_id"] == first, back.stderr
    assert json.loads(back.stdout)["ledger_head"] == shop.ledger.head() != noted
    assert shop.command("releases", "verify", "--expect-head", noted[:12]).returncode == 0
    assert "alias champion was left as it is" in back.stderr  # there is no MLflow here
    moves = json.loads(shop.command("releases", "history", "--json").stdout)
    assert [move["kind"] for move in moves] == ["release", "release", "rollback"]
    assert "too salty" in shop.command("releases", "history").stdout
    shown = json.loads(shop.command("releases", "show", first, "--json").stdout)
    assert len(shown["moves"]) == 3
    missing = shop.command("releases", "show", "r-1-none")
    assert missing.returncode == 2
    assert "shoploop releases list" in missing.stderr


def test_commands__roll_back_for_a_task_leaves_its_result(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    shop.release(shop.finished_run(45, "b", first))
    words = ("--workspace", str(shop.folder / "task"), "--reason", "by hand")
    done = shop.command("action", "roll_back", *words)
    assert done.returncode == 0, done.stderr
    result = json.loads((shop.folder / "task" / "run" / "roll_back.json").read_text())
    assert (result["release_id"], result["seq"]) == (first, 3)
    assert result["ledger_head"] == shop.ledger.head()
    again = shop.command("action", "roll_back", *words)
    assert again.returncode == 0, again.stderr
    assert f"{first} is live already; nothing was moved" in again.stdout
    assert len(shop.ledger.history()) == 3


@pytest.mark.parametrize("named", [False, True])
def test_roll_back__tried_again_by_its_task_goes_back_once(shop, named):
    """A, B, C; the first try ended after the move and before its task knew."""
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    second = shop.release(shop.finished_run(45, "b", first)).release_id
    third = shop.release(shop.finished_run(46, "c", second)).release_id
    for seq in (4, None):
        switch = shop.roll_back_for_task(second if named else None)
        assert (switch.release_id, switch.previous_release_id, switch.seq) == (second, third, seq)
        assert shop.ledger.plan().prepared == ()
        shop.ledger.request_preparation(second)  # as a try leaves it that is killed
    assert shop.endpoint.serves() == second
    assert len(shop.ledger.history()) == 4


def test_roll_back__tried_again_by_its_task_moves_when_the_first_try_did_not(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    shop.release(shop.finished_run(45, "b", first))
    with pytest.raises(LedgerError, match="reason"):
        shop.roll_back_for_task(reason=" ")
    assert shop.roll_back_for_task().seq == 3
    assert shop.endpoint.serves() == first


def test_roll_back__tried_again_by_its_task_leaves_what_others_released_since(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    second = shop.release(shop.finished_run(45, "b", first)).release_id
    shop.roll_back_for_task()
    third = shop.release(shop.finished_run(46, "c", first)).release_id
    with pytest.raises(StaleMove, match=f"judged against {second}, but {third} is live"):
        shop.roll_back_for_task()
    assert shop.endpoint.serves() == third


def test_roll_back__of_a_task_to_what_is_live_already_is_refused_at_every_try(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    for _ in range(2):
        with pytest.raises(LedgerError, match="live already: nothing to roll back"):
            shop.roll_back_for_task(first)
