"""Train, judge and, if it earns it, release a recommender: when `events` changed, weekly, or by the form."""

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, TriggerRule, chain
from steps import RETRIED, Action, Approval, Branch, chosen, finish, on_time, stage, training_form

with DAG(
    "train_recommender",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=on_time("0 6 * * MON"), assets=[Asset("events")]),
    catchup=False,
    # A run judges against what is live: of two at once, one would judge a champion that is being replaced.
    max_active_runs=1,
    # Long enough for the approval to expire first.
    dagrun_timeout=timedelta(days=4),
    default_args=RETRIED,
    params=training_form(),
    user_defined_macros={"chosen": chosen},
    tags=["shoploop"],
):
    open_run = Branch(
        task_id="open_run",
        opens=True,
        arguments=[
            "--run-id={{ run_id }}",
            # What a person chose in the form; a run by asset or schedule takes params.yaml as it is by then.
            "--set={{ chosen(dag_run.conf) }}",
            "{{ '--promote' if params.promote else '--no-promote' }}",
            "{{ '--require-approval' if params.require_approval else '--no-require-approval' }}",
            "--reason={{ params.reason or '' }}",
        ],
    )
    gate = Branch(task_id="read_decision")
    approve_release = Approval(
        task_id="approve_release", approved="register_version", rejected="refused_approval"
    )
    # Reached past the approval or around it.
    register_version = Action(
        task_id="register_version", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    )
    decide_package = Branch(task_id="decide_package")
    stages = [stage("validate_data"), stage("split_weeks"), stage("build_features"), stage("fit_baselines")]
    stages += [stage("train_sequence", minutes=720, pool="gpu"), stage("blend_candidate", minutes=60)]
    stages += [stage("evaluate_candidate", minutes=60), stage("decide_promotion")]

    open_run >> finish("nothing_new")
    chain(open_run, *stages, Action(task_id="log_run"), gate)
    gate >> [finish("refused"), finish("not_promoted"), approve_release, register_version]
    approve_release >> [finish("refused_approval"), register_version]
    chain(register_version, Action(task_id="build_bento"), decide_package)
    decide_package >> finish("refused_package")
    released = Action(task_id="release_model")
    mark_champion = Action(task_id="mark_champion", outlets=[Asset("champion")])
    chain(decide_package, released, mark_champion, finish("finished"))
