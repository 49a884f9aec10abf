"""Opening a run: which code, which parameters, which data, and whether there is anything to do."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.actions.fetch_champion import CHAMPION_FOLDER, START_FOLDER, fetch_champion, fetch_start
from pipelines.actions.finish_run import finish_run
from pipelines.actions.land_batch import LandRequest, land_batch
from pipelines.actions.open_run import apply_overrides, inputs_sha256
from pipelines.actions.publish_events import publish_events
from pipelines.actions.read_decision import read_decision
from pipelines.actions.validate_batch import validate_batch
from pipelines.landing import Landing, LandingError
from pipelines.params import ParamsError, load_params
from pipelines.ranking.bundle import seal
from pipelines.releases.ledger import Ledger
from pipelines.releases.overrides import override_decision
from pipelines.releases.records import Release
from pipelines.run_facts import RunFacts, read_result, write_json
from pipelines.settings import Settings
from pipelines.workspace import WorkspaceError, workspace_path

Open = Callable[..., RunFacts]
Land = Callable[..., None]
CHECK = {"name": "superior_to_markov", "verdict": "PASS", "message": "the candidate beats markov"}
DECISION = {"verdict": "PASS", "summary": "PASS: all checks hold", "checks": [CHECK]}


def decide(settings: Settings, run_id: str, **changes: object) -> Path:
    """Leave a quality decision where the stage would."""
    workspace = workspace_path(settings, run_id)
    write_json(workspace / "reports/decision.json", DECISION | changes)
    return workspace


def way_on(settings: Settings, run_id: str) -> str:
    return str(read_result(workspace_path(settings, run_id), "open_run")["branch"])


def test_open_run__before_any_data_says_to_land(opened: Open) -> None:
    with pytest.raises(LandingError, match="land the history first"):
        opened("run-1")


def test_open_run__records_code_data_parameters_and_lock(
    settings: Settings, opened: Open, land_week: Land
) -> None:
    land_week(1)

    facts = opened("run-1", reason="a test")

    workspace = workspace_path(settings, "run-1")
    assert facts == RunFacts.read(workspace)
    assert (facts.week, facts.dirty, facts.champion_release_id) == (1, False, None)
    assert json.loads((workspace / CHAMPION_FOLDER / "none.json").read_text()) == {"champion": None}
    assert len(list((workspace / "data/inputs/events").iterdir())) == 1
    assert way_on(settings, "run-1") == "validate_data"


def refused(settings: Settings, run_id: str) -> None:
    """Have an opened run end with the gate's refusal."""
    ledger = Ledger(settings.ledger)
    read_decision(ledger, decide(settings, run_id))
    finish_run(ledger, workspace_path(settings, run_id), "refused")


def test_open_run__after_a_finished_one_is_nothing_new_until_something_changes(
    settings: Settings, opened: Open, land_week: Land
) -> None:
    land_week(1)
    opened("run-1")
    assert way_on(settings, "run-1") == "validate_data"
    refused(settings, "run-1")

    changes: dict[str, Callable[[], object]] = {
        "nothing": lambda: opened("nothing"),
        "promote": lambda: opened("promote", promote=False),
        "parameter": lambda: opened("parameter", overrides={"split_weeks.history_weeks": 7}),
        "code": lambda: [(settings.checkout / "feature.sql").write_text("select 2"), opened("code")],
        "data": lambda: [
            (settings.checkout / "feature.sql").write_text("select 1"),
            land_week(2),
            opened("data"),
        ],
    }
    found = {name: [change(), way_on(settings, name)][1] for name, change in changes.items()}

    assert found == {"nothing": "nothing_new"} | dict.fromkeys(
        ("promote", "parameter", "code", "data"), "validate_data"
    )
    assert RunFacts.read(workspace_path(settings, "code")).changed == ("feature.sql",)


@pytest.mark.parametrize(
    ("ending", "branch"), [("refused_approval", "nothing_new"), ("refused_package", "validate_data")]
)
def test_open_run__starts_again_after_a_refused_package_and_not_after_a_refused_approval(
    ending: str, branch: str, settings: Settings, opened: Open, land_week: Land
) -> None:
    land_week(1)
    ledger = Ledger(settings.ledger)
    opened("run-1")
    workspace = decide(settings, "run-1")
    read_decision(ledger, workspace)
    write_json(workspace / "run/decide_package.json", {"summary": "p99 is 300 ms"})
    finish_run(ledger, workspace, ending)

    opened("run-2")

    assert read_result(workspace, ending)["outcome"] == ending
    assert way_on(settings, "run-2") == branch


def test_open_run__cleared_after_it_finished_runs_again_and_is_new_to_no_other(
    settings: Settings, opened: Open, land_week: Land
) -> None:
    land_week(1)
    opened("run-1")
    refused(settings, "run-1")

    opened("run-1")
    opened("run-2")

    assert way_on(settings, "run-1") == "validate_data"
    assert way_on(settings, "run-2") == "nothing_new"


def test_open_run__whose_predecessor_broke_off_starts_again(
    settings: Settings, opened: Open, land_week: Land
) -> None:
    land_week(1)
    opened("run-1")

    opened("run-2")

    assert way_on(settings, "run-2") == "validate_data"


def test_apply_overrides__writes_only_when_something_differs(settings: Settings) -> None:
    path = settings.checkout / "params.yaml"
    before, weeks = path.read_text(), load_params(path).split_weeks.history_weeks

    assert apply_overrides(path, {"split_weeks.history_weeks": weeks}) == {}
    assert path.read_text() == before
    changed = {"split_weeks.history_weeks": weeks - 1}
    assert apply_overrides(path, changed) == changed
    assert load_params(path).split_weeks.history_weeks == weeks - 1
    assert load_params(path).shop == load_params(settings.checkout / "params.yaml").shop


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"split_weeks.history_week": 3},
            "no parameter 'split_weeks.history_week'.*split_weeks.history_weeks",
        ),
        ({"history_weeks": 3}, "no parameter 'history_weeks'"),
        ({"split_weeks.history_weeks": 1}, "split_weeks.history_weeks: .*greater than or equal to 3"),
        ({"split_weeks.history_weeks": "many"}, "split_weeks.history_weeks"),
    ],
)
def test_apply_overrides__of_a_wrong_value_names_it(
    overrides: dict[str, object], message: str, settings: Settings
) -> None:
    with pytest.raises(ParamsError, match=rf"(?s){message}"):
        apply_overrides(settings.checkout / "params.yaml", overrides)


@pytest.mark.parametrize(
    ("verdict", "said", "branch"),
    [
        ("FAIL", {}, "refused"),
        ("INSUFFICIENT_EVIDENCE", {}, "refused"),
        ("PASS", {"promote": False}, "not_promoted"),
        ("FAIL", {"promote": False}, "refused"),
        ("PASS", {"require_approval": True}, "approve_release"),
        ("PASS", {}, "register_version"),
    ],
)
def test_read_decision__opens_the_way_only_for_a_pass(
    verdict: str, said: dict[str, bool], branch: str, settings: Settings, opened: Open, land_week: Land
) -> None:
    land_week(1)
    opened("run-1", **said)
    ledger = Ledger(settings.ledger)

    result = read_decision(ledger, decide(settings, "run-1", verdict=verdict))

    assert result["branch"] == branch
    assert "PASS  superior_to_markov\n        the candidate beats markov" in result["text"]
    assert "\n- **PASS** superior_to_markov: the candidate beats markov" in result["markdown"]
    kept = ledger.decision(result["decision_id"])
    assert kept is not None
    assert (kept.verdict, kept.run_id) == (verdict, "run-1")


def test_override__lets_the_refused_run_and_one_like_it_go_on_until_it_lapses(
    settings: Settings, opened: Open, land_week: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_week(1)
    opened("run-1")
    ledger, workspace = Ledger(settings.ledger), decide(settings, "run-1", verdict="FAIL")
    decision = read_decision(ledger, workspace)["decision_id"]
    finish_run(ledger, workspace, "refused")
    opened("run-2")
    assert way_on(settings, "run-2") == "nothing_new"

    expires = datetime.now(UTC) + timedelta(hours=2)
    override_decision(ledger, decision, "Ada", "the campaign cannot wait", expires)
    cleared = read_decision(ledger, workspace)
    opened("run-3")
    again = read_decision(ledger, decide(settings, "run-3", verdict="FAIL"))
    other = read_decision(ledger, decide(settings, "run-3", verdict="FAIL", summary="FAIL: other figures"))

    assert cleared["branch"] == again["branch"] == "register_version"
    assert way_on(settings, "run-3") == "validate_data"
    assert again["verdict"] == "FAIL"
    assert "overridden by Ada (until " in again["note"]
    assert "the campaign cannot wait" in again["markdown"]
    assert (other["branch"], other["override_id"]) == ("refused", None)

    monkeypatch.setattr("pipelines.releases.overrides.utc_now", lambda: expires)
    late = read_decision(ledger, workspace)
    assert (late["branch"], late["override_id"]) == ("refused", None)
    assert "overridden by Ada (lapsed " in late["note"]
    opened("run-4")
    assert way_on(settings, "run-4") == "nothing_new"
    note = read_result(workspace_path(settings, "run-4"), "open_run")["note"]
    assert "overridden by Ada (lapsed " in note


def test_read_decision__before_the_gate_ran_names_the_task(
    settings: Settings, opened: Open, land_week: Land
) -> None:
    land_week(1)
    opened("run-1")

    with pytest.raises(WorkspaceError, match=r"decision\.json.*decide_promotion"):
        read_decision(Ledger(settings.ledger), workspace_path(settings, "run-1"))


def test_fetch_champion__brings_the_live_bundle_byte_for_byte(settings: Settings, tmp_path: Path) -> None:
    bundle = tmp_path / "bento/src/bundle"
    bundle.mkdir(parents=True)
    (bundle / "weights.npz").write_bytes(bytes(range(256)))
    digest, ledger = seal(bundle, {}), Ledger(settings.ledger)
    release = Release(
        "r-44-aaaaaaaa", datetime.now(UTC), "run-1", "d", "t", str(tmp_path / "bento"), digest, "1", 44,
        "t", False, "d", "p", "l",
    )  # fmt: skip
    ledger.add_release(release)
    ledger.move(release.release_id, None, "release", "a test", "to have a champion", "d")
    workspace = tmp_path / "workspace"

    assert fetch_champion(ledger, settings.bentoml_home, workspace) == release.release_id
    fetched = workspace / CHAMPION_FOLDER
    assert (fetched / "weights.npz").read_bytes() == bytes(range(256))
    assert json.loads((fetched / "champion.json").read_text()) == {
        "release_id": release.release_id,
        "week": 44,
    }
    (bundle / "bundle.json").unlink()
    with pytest.raises(WorkspaceError, match="r-44-aaaaaaaa has no bundle"):
        fetch_champion(ledger, settings.bentoml_home, workspace)


def test_fetch_start__brings_the_champion_to_training_only_where_it_is_wanted(tmp_path: Path) -> None:
    champion, start = tmp_path / CHAMPION_FOLDER, tmp_path / START_FOLDER
    champion.mkdir(parents=True)
    (champion / "none.json").write_text("{}")
    fetch_start(tmp_path, True)
    assert [file.name for file in start.iterdir()] == ["none.json"]
    before = inputs_sha256(tmp_path)
    for name in ("sequence.npz", "items.json", "weights.npz"):
        (champion / name).write_text(name)
    (champion / "bundle.json").write_text(json.dumps({"fitted_through_week": 43}))
    fetch_start(tmp_path, True)
    assert sorted(file.name for file in start.iterdir()) == ["items.json", "sequence.npz", "start.json"]
    assert (start / "sequence.npz").read_text() == "sequence.npz"
    assert json.loads((start / "start.json").read_text()) == {"fitted_through_week": 43}
    assert inputs_sha256(tmp_path) == before  # a promotion alone is nothing new
    fetch_start(tmp_path, False)
    assert [file.name for file in start.iterdir()] == ["none.json"]


def test_publish_events__once_per_batch_and_again_when_its_task_is_tried_again(
    settings: Settings, land_week: Land, tmp_path: Path
) -> None:
    landing = Landing(settings.landing)
    land_week(1)

    first = publish_events(landing, tmp_path / "ingest-1")
    again = publish_events(landing, tmp_path / "ingest-1")
    other = publish_events(landing, tmp_path / "ingest-2")
    land_week(1, again=True)
    duplicates = publish_events(landing, tmp_path / "ingest-2")
    land_week(2)
    next_week = publish_events(landing, tmp_path / "ingest-2")

    assert first == again
    assert (first["week"], len(first["batch_ids"]), "skip" in first) == (1, 1, False)
    assert (other["batch_ids"], other["skip"]) == ([], "nothing new since week 1")
    assert len(landing.accepted()) == 3
    assert "skip" in duplicates
    assert (next_week["week"], len(next_week["batch_ids"])) == (2, 1)


def test_publish_events__known_rows_landed_again_are_nothing_new(
    settings: Settings, land_week: Land, tmp_path: Path
) -> None:
    landing = Landing(settings.landing)
    land_week(1)
    publish_events(landing, tmp_path / "ingest-1")
    known = pq.read_table(tmp_path / "week-1.parquet").slice(0, 50)
    pq.write_table(known, tmp_path / "again.parquet")
    land_batch(settings, LandRequest(file=tmp_path / "again.parquet"))
    validate_batch(settings)

    assert len(landing.accepted()) == 2
    assert publish_events(landing, tmp_path / "ingest-2")["skip"] == "nothing new since week 1"
