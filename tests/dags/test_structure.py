"""What the DAGs promise: the order of the architecture, one task per stage, a typed form."""

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import ParamValidationError

from pipelines.actions.finish_run import OUTCOMES
from pipelines.actions.read_decision import ASK, GO_ON, NOT_PROMOTED, REFUSED
from pipelines.params import load_params

ROOT = Path(__file__).parents[2]
BEFORE, AFTER = {"open_run"}, {"log_run"}
DAGS = (
    "ingest_events",
    "train_recommender",
    "tune_recommender",
    "rollback_release",
    "collect_garbage",
    "watch_releases",
    "check_release",
    "recommend_all",
)


def edges(dag: Any) -> dict[str, set[str]]:
    return {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}


def stage_tasks(dag: Any) -> list[str]:
    return [task.task_id for task in dag.topological_sort() if getattr(task, "action", "") == "run_stage"]


def test_dags__are_these(dags: dict[str, Any]) -> None:
    assert set(dags) == set(DAGS)


def test_train_recommender__mirrors_dvc_yaml_one_to_one(dags: dict[str, Any]) -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]

    assert stage_tasks(dags["train_recommender"]) == list(stages)


def test_train_recommender__runs_each_stage_by_its_own_name(dags: dict[str, Any]) -> None:
    for name in stage_tasks(dags["train_recommender"]):
        assert dags["train_recommender"].get_task(name).arguments == ["--stage", name]


def test_train_recommender__keeps_the_order_of_the_architecture(dags: dict[str, Any]) -> None:
    found = edges(dags["train_recommender"])
    stages = stage_tasks(dags["train_recommender"])

    assert found["open_run"] == {"nothing_new", "validate_data"}
    assert [found[name] for name in stages] == [{name} for name in [*stages[1:], "log_run"]]
    assert found["log_run"] == {"read_decision"}
    assert found["read_decision"] == {"refused", "not_promoted", "approve_release", "register_version"}
    assert found["approve_release"] == {"refused_approval", "register_version"}
    assert found["register_version"] == {"build_bento"}
    assert found["build_bento"] == {"decide_package"}
    assert found["decide_package"] == {"refused_package", "release_model"}
    assert found["release_model"] == {"mark_champion"}
    assert found["mark_champion"] == {"finished"}


def test_train_recommender__has_a_task_for_every_branch_that_an_action_may_name(dags: dict[str, Any]) -> None:
    named = {REFUSED, NOT_PROMOTED, ASK, GO_ON, *OUTCOMES, "nothing_new", "validate_data"}

    assert named <= set(dags["train_recommender"].task_ids)


def test_train_recommender__trains_in_the_pool_gpu_and_nothing_else_does(dags: dict[str, Any]) -> None:
    pools = {task.task_id: task.pool for task in dags["train_recommender"].tasks}

    assert [name for name, pool in pools.items() if pool == "gpu"] == ["train_sequence"]


def test_train_recommender__starts_by_asset_or_weekly_one_at_a_time(dags: dict[str, Any]) -> None:
    dag = dags["train_recommender"]

    assert [asset.name for asset in dag.timetable.asset_condition.objects] == ["events"]
    assert "MON" in dag.timetable.timetable.expression
    assert dag.max_active_runs == 1


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("promote", {"type": "boolean"}),
        ("require_approval", {"type": "boolean"}),
        ("reason", {"type": ["null", "string"]}),
        ("history_weeks", {"type": "integer", "minimum": 3}),
        ("epochs", {"type": "integer"}),
    ],
)
def test_train_recommender__form_is_typed(name: str, schema: dict[str, Any], dags: dict[str, Any]) -> None:
    param = dags["train_recommender"].params.get_param(name)

    assert schema.items() <= param.schema.items()
    assert param.schema["title"]


def test_train_recommender__form_offers_what_params_yaml_says(dags: dict[str, Any]) -> None:
    params, form = load_params(ROOT / "params.yaml"), dags["train_recommender"].params

    assert form["history_weeks"] == params.split_weeks.history_weeks
    assert form["model_size"] in form.get_param("model_size").schema["enum"]


def test_tune_recommender__searches_once_the_features_are_built(dags: dict[str, Any]) -> None:
    dag = dags["tune_recommender"]
    order = [task.task_id for task in dag.topological_sort()]

    assert order == ["open_tuning", "validate_data", "split_weeks", "build_features", "tune_sequence"]
    assert dag.get_task("tune_sequence").pool == "gpu"
    longest = dag.params.get_param("budget_minutes").schema["maximum"]
    assert timedelta(minutes=longest) < dag.get_task("tune_sequence").execution_timeout
    assert dag.schedule is None


def test_every_action__has_a_time_limit_and_no_bad_batch_a_second_try(dags: dict[str, Any]) -> None:
    actions = [task for dag in dags.values() for task in dag.tasks if hasattr(task, "action")]

    assert all(timedelta() < task.execution_timeout <= timedelta(hours=12) for task in actions)
    assert dags["ingest_events"].get_task("validate_batch").retries == 0


def test_publishing__is_by_one_task_each(dags: dict[str, Any]) -> None:
    outlets = {
        (dag_id, task.task_id): [asset.name for asset in task.outlets]
        for dag_id, dag in dags.items()
        for task in dag.tasks
        if task.outlets
    }

    assert outlets == {
        ("ingest_events", "publish_events"): ["events"],
        ("train_recommender", "mark_champion"): ["champion"],
        ("rollback_release", "mark_champion"): ["champion"],
    }


@pytest.mark.parametrize("name", DAGS)
def test_dag_file__holds_schedules_and_edges_only(name: str) -> None:
    source = (ROOT / "dags" / f"{name}.py").read_text()
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {getattr(node, "module", "") or node.names[0].name for node in imports}

    assert modules <= {"airflow.sdk", "steps", "pipelines.params", "datetime"}
    assert len(source.splitlines()) < 60


@pytest.mark.parametrize(
    "dag_id", ["ingest_events", "train_recommender", "collect_garbage", "watch_releases", "check_release"]
)
def test_schedule__of_a_fresh_installation_lies_ahead(dag_id: str, dags: dict[str, Any]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    dag = DagSerialization.from_dict(DagSerialization.to_dict(dags[dag_id]))
    restriction = TimeRestriction(earliest=dag.start_date, latest=None, catchup=dag.catchup)
    first = dag.timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)

    assert first.run_after > datetime.now(UTC)


def test_ingest_events__form_takes_weeks_to_read_again(dags: dict[str, Any]) -> None:
    dag = dags["ingest_events"]
    field = dag.params.get_param("backfill")
    assert field.resolve("3:7") == "3:7"
    for wrong in ("3", "3-7", "three:7"):
        with pytest.raises(ParamValidationError):
            field.resolve(wrong)
    rendered = dag.get_task("land_batch").arguments[-1]
    assert rendered == "{{ '--backfill=' ~ params.backfill if params.backfill else '' }}"
