"""The action that lets a run's release before the shoppers, and its commands."""

import json
from pathlib import Path

import pytest
import yaml
from endpoint_under_test import eventually
from test_split import Shoppers
from test_switch import Shop

from pipelines.actions.advance_release import advance_release
from pipelines.releases.records import LedgerError
from pipelines.releases.stepping import steps

QUICK = {"minimum_requests": 30, "minimum_seconds": 0.2, "slow_seconds": 1.0, "canary_shares": [0.3]}


@pytest.fixture
def shop(endpoint, tmp_path):
    endpoint.start()
    return Shop(endpoint, tmp_path)


def finished_run(shop, week, letter, champion, behaviour="good", **policy):
    workspace = shop.finished_run(week, letter, champion, behaviour)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["advance_release"] |= policy
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    return workspace


def act(shop, workspace):
    words = advance_release(shop.settings, shop.ledger, workspace, shop.mover)
    return words, json.loads((workspace / "run" / "release_model.json").read_text())


def test_advance_release__without_shares_releases_at_once(shop):
    act(shop, finished_run(shop, 44, "a", None))
    words, result = act(shop, finished_run(shop, 45, "b", "r-44-aaaaaaaa"))
    assert words.startswith("r-45-bbbbbbbb is live (before: r-44-aaaaaaaa)")
    assert "again_in" not in result
    assert steps(shop.ledger) == []


def test_advance_release__asks_to_be_run_again_until_it_is_live(shop):
    act(shop, finished_run(shop, 44, "a", None, **QUICK))
    workspace = finished_run(shop, 45, "b", "r-44-aaaaaaaa", **QUICK)
    words, result = act(shop, workspace)
    assert words == "r-45-bbbbbbbb answers 30% of the shoppers: first of 1 steps"
    assert (result["again_in"], result["state"]) == (15, "canary")
    with Shoppers(shop.settings.port_endpoint):
        eventually(lambda: "again_in" not in act(shop, workspace)[1], what="the end of the steps")
    assert shop.ledger.live().release_id == "r-45-bbbbbbbb"
    assert "nothing was moved" in act(shop, workspace)[1]["note"]
    told = shop.command("releases", "steps").stdout
    assert "canary    30% r-45-bbbbbbbb beside r-44-aaaaaaaa by train_recommender: first of 1 steps" in told


def test_advance_release__that_a_person_ends_fails_for_good_and_says_why(shop):
    act(shop, finished_run(shop, 44, "a", None, **QUICK))
    workspace = finished_run(shop, 45, "b", "r-44-aaaaaaaa", **QUICK)
    act(shop, workspace)
    ended = shop.command("releases", "abort", "--reason", "complaints", "--actor", "somebody")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("r-45-bbbbbbbb was taken back")
    with pytest.raises(LedgerError, match="what was live is still live: complaints"):
        act(shop, workspace)
    assert "nothing to abort" in shop.command("releases", "abort", "--reason", "again").stdout
    assert shop.ledger.live().release_id == "r-44-aaaaaaaa"
