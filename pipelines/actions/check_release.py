"""Build the live release once more, train it with another seed, and keep what that tells of it in the ledger."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml

from pipelines.actions.reproduce_release import reproduce_release, run_dvc
from pipelines.domain import Decision, Verdict
from pipelines.gates.stability import Stability, decide
from pipelines.monitoring.alerts import failed_check, send
from pipelines.params import CheckRelease
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from pipelines.workspace import RUN_FOLDER, workspace_path

PARAMS = Path("params.yaml")
PER_USER, QUERIES = Path("reports/per_user.parquet"), Path("reports/known_queries.json")
CANDIDATE, METRIC = "blend", "ndcg_at_10"
SEEDS = (("train_sequence", "seed"), ("fit_baselines", "als", "seed"))


def check_release(
    settings: Settings, policy: CheckRelease, ledger: Ledger, workspace: Path, say: Callable[[str], None]
) -> str:
    """Decide on the live release; a decision that is no PASS is sent to who is on call. Nothing is taken back.

    Writes ``run/check_release.json`` in ``workspace``. The folder of the rebuild stays where something differs.

    Raises:
        WorkspaceError: The workspace of its run is gone, or a stage fails.

    Returns:
        The decision for a person.
    """
    (workspace / RUN_FOLDER).mkdir(parents=True, exist_ok=True)
    release = ledger.live()
    if release is None:
        reason = "nothing is live yet: there is nothing to check"
        write_result(workspace, "check_release", {"skip": reason})
        return reason
    say(f"{release.release_id} is built once more, then trained with seed {policy.other_seed}")
    seen, rebuilt = look(settings, policy, ledger, release, say)
    decision = decide(policy, seen)
    body = asdict(decision) | {"policy": policy.model_dump(mode="json")}
    kept = ledger.record_decision(release.run_id, decision.kind, decision.verdict, decision.summary, body)
    if decision.verdict is not Verdict.PASS:
        send(settings, failed_check(settings, release.release_id, decision.summary))
    if seen.differing:
        say(f"what was built stays in {rebuilt}")
    else:
        shutil.rmtree(rebuilt)
    note = f"{release.release_id}: {decision.summary}"
    write_result(
        workspace,
        "check_release",
        body | {"decision_id": kept, "note": note, "release_id": release.release_id},
    )
    return describe(release, decision)


def look(
    settings: Settings,
    policy: CheckRelease,
    ledger: Ledger,
    release: Release,
    say: Callable[[str], None],
) -> tuple[Stability, Path]:
    """Rebuild and train again; gives what was seen, and the folder of the rebuild."""
    done = reproduce_release(settings, ledger, release.release_id, say, keep=True)
    assert done.workspace is not None, "it was asked to be kept"
    origin = workspace_path(settings, release.run_id)
    # In a copy: where the rebuild differs, what it came to is what a person has to look at.
    trained = done.workspace.with_name(f"seed-{policy.other_seed}-{release.release_id}")
    shutil.rmtree(trained, ignore_errors=True)
    shutil.copytree(done.workspace, trained, symlinks=True)
    try:
        change_seeds(trained / PARAMS, policy.other_seed)
        run_dvc(settings, trained, say, "evaluate_candidate")
        values, other_values = paired_values(origin / PER_USER, trained / PER_USER)
        tens, other_tens = first_tens(origin / QUERIES), first_tens(trained / QUERIES)
    finally:
        shutil.rmtree(trained)
    asked = [shopper for shopper in tens if shopper in other_tens]
    differing = tuple(one.what for one in done.comparisons if not one.is_same)
    seen = Stability(
        release.release_id,
        release.week,
        len(done.comparisons),
        differing,
        values,
        other_values,
        [tens[shopper] for shopper in asked],
        [other_tens[shopper] for shopper in asked],
    )
    return seen, done.workspace


def change_seeds(params: Path, seed: int) -> None:
    """Give every part of the training that draws another seed."""
    content: dict[str, Any] = yaml.safe_load(params.read_text())
    for *sections, name in SEEDS:
        section = content
        for key in sections:
            section = section[key]
        section[name] = seed
    params.write_text(yaml.safe_dump(content, sort_keys=False))


def paired_values(one: Path, other: Path) -> tuple[np.ndarray, np.ndarray]:
    """The candidate's figure of each household that stands in both files, in one order."""
    columns = ["system", "user_id", METRIC]
    found = []
    for file in (one, other):
        rows = pq.read_table(file, columns=columns).to_pandas()
        found.append(rows[rows["system"] == CANDIDATE].set_index("user_id")[METRIC])
    both = found[0].index.intersection(found[1].index).sort_values()
    return found[0].loc[both].to_numpy(np.float64), found[1].loc[both].to_numpy(np.float64)


def first_tens(known_queries: Path) -> dict[str, list[str]]:
    """The first ten items of each shopper of the known queries."""
    queries = json.loads(known_queries.read_text())["queries"]
    return {query["user_id"]: [str(item) for item, _ in query["expected"]] for query in queries}


def describe(release: Release, decision: Decision) -> str:
    """The decision for a person, one check a line; Airflow shows the end of a log first."""
    lines = [f"  {check.verdict:<22} {check.name}: {check.message}" for check in decision.checks]
    return "\n".join([*lines, "", f"{release.release_id}: {decision.summary}"])
