"""Judge the built Bento before any traffic moves: start it, ask it, measure it, write the decision."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipelines.domain import BundleError, Decision, History, Verdict
from pipelines.gates.package import Rehearsal, decide
from pipelines.params import DecidePackage, load_params
from pipelines.ranking.bundle import bundle_sha256, read_manifest
from pipelines.releases.bento_contents import find_secrets, known_secrets, read_licences
from pipelines.releases.ledger import Ledger
from pipelines.releases.rehearsal import (
    CLOCK_LOOK_SECONDS,
    BentoOnTrial,
    KnownQuery,
    RehearsalError,
    difference,
    set_clock,
    still_shown,
    time_requests,
)
from pipelines.run_facts import RunFacts, read_result, write_result
from pipelines.settings import Settings
from serving.stores import open_state

GO_ON, REFUSED = "release_model", "refused_package"


def decide_package(settings: Settings, ledger: Ledger, workspace: Path) -> dict[str, Any]:
    """Decide, keep the decision in the ledger and choose the branch; writes ``run/decide_package.json``.

    A Bento that is corrupt, does not start or answers wrongly is a decision, not an error.

    Raises:
        WorkspaceError: ``build_bento`` did not run in this workspace.
        ParamsError: There is no usable policy.
    """
    policy = load_params(workspace / "params.yaml").decide_package
    built = read_result(workspace, "build_bento")
    seen = rehearse(policy, built, workspace / "reports" / "known_queries.json", settings.bentoml_home)
    seen = looked_into(seen, Path(built["bento_path"]), settings.secrets_file)
    facts = RunFacts.read(workspace)
    decision = decide(policy, seen, facts.uncommitted)
    body = asdict(decision) | {"policy": policy.model_dump(mode="json")}
    kept = ledger.record_decision(facts.run_id, "package", decision.verdict, decision.summary, body)
    passed = decision.verdict is Verdict.PASS
    result = body | {
        "decision_id": kept,
        "branch": GO_ON if passed else REFUSED,
        "note": decision.summary,
        "text": describe(decision),
    }
    write_result(workspace, "decide_package", result)
    return result


def describe(decision: Decision) -> str:
    """The decision for a person, one check a line; Airflow shows the end of a log first."""
    lines = [f"  {check.verdict:<22} {check.name}: {check.message}" for check in decision.checks]
    return "\n".join([*lines, "", f"Package decision: {decision.summary}"])


def rehearse(policy: DecidePackage, built: dict[str, Any], known_queries: Path, home: Path) -> Rehearsal:
    """Start the Bento with a state of its own, ask the known queries, measure, and stop it.

    Args:
        policy: How long to wait and how many requests to time.
        built: Result of ``build_bento``: ``bento_tag``, ``bento_path``, ``bundle_sha256``.
        known_queries: What evaluation wrote: shoppers, their histories, and the answers.
        home: BentoML's store.
    """
    bento = Path(built["bento_path"])
    seen = Rehearsal(built["bento_tag"], files_fault=_files_fault(bento, built["bundle_sha256"]))
    try:
        queries, histories = read_known_queries(known_queries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return replace(
            seen, start_fault=f"{known_queries}: cannot be read ({error!r}); evaluate the candidate again"
        )
    with TemporaryDirectory(prefix="shoploop-rehearsal-") as name:
        folder = Path(name)
        _prepare(folder, queries, histories)
        trial = BentoOnTrial(bento, folder, home)
        try:
            seen = _ask(policy, trial, queries, seen)
        finally:
            left = trial.stop()
    return replace(seen, left_behind=left)


def looked_into(seen: Rehearsal, bento: Path, secrets_file: Path) -> Rehearsal:
    """The rehearsal with the licences and the secrets of what is in the Bento.

    Args:
        seen: The rehearsal.
        bento: The Bento's folder.
        secrets_file: The secrets of this installation.
    """
    requirements = bento / "src" / "requirements.txt"
    licences = read_licences(requirements) if requirements.is_file() else {}
    return replace(seen, licences=licences, secrets=find_secrets(bento, known_secrets(secrets_file)))


def read_known_queries(path: Path) -> tuple[list[KnownQuery], list[History]]:
    """Known queries and the histories they are asked with."""
    raw = json.loads(path.read_text())["queries"]
    queries = [
        KnownQuery(query["user_id"], query["now"], _pairs(query["expected"]), _pairs(query.get("tied", [])))
        for query in raw
    ]
    return queries, [_history(query["user_id"], query["history"]) for query in raw]


def _pairs(rows: list[list[Any]]) -> tuple[tuple[str, float], ...]:
    return tuple((str(item), float(score)) for item, score in rows)


def _history(user_id: str, raw: dict[str, list[Any]]) -> History:
    return History(
        user_id,
        np.array(raw["items"], dtype=np.str_),
        np.array(raw["times"], dtype=np.int64),
        np.array(raw["baskets"], dtype=np.int32),
    )


def _files_fault(bento: Path, expected: str) -> str:
    bundle = bento / "src" / "bundle"
    try:
        read_manifest(bundle)
        found = bundle_sha256(bundle)
    except BundleError as error:
        return str(error)
    return "" if found == expected else f"{bundle}: expected the bundle {expected}, found {found}"


def _prepare(folder: Path, queries: list[KnownQuery], histories: list[History]) -> None:
    state = open_state("", folder / "shopper.db")
    state.replace_histories(histories)
    state.close()
    set_clock(folder, queries[0].now if queries else 0)


def _ask(policy: DecidePackage, trial: BentoOnTrial, queries: list[KnownQuery], seen: Rehearsal) -> Rehearsal:
    try:
        seen = replace(seen, ready_seconds=trial.wait_ready(policy.ready_seconds_limit))
        wrong = _wrong_answers(trial, queries)
        seen = replace(seen, queries_asked=len(queries), wrong_answers=wrong)
        if queries:
            # The clock stands at the last of them: what was asked at another moment has another answer now.
            latest = max(query.now for query in queries)
            of_now = [query for query in queries if query.now == latest]
            timed = time_requests(trial, of_now, policy.timed_requests)
            seen = replace(
                seen,
                wrong_answers=(*wrong, *timed.wrong_answers),
                latencies_ms=timed.latencies_ms,
                memory_growth_kib=timed.memory_growth_kib,
                still_shown=still_shown(trial, max(of_now, key=lambda query: len(query.expected))),
            )
    except RehearsalError as error:
        seen = replace(seen, start_fault=str(error))
    except Exception as error:  # a Bento that breaks off a connection or answers no JSON is refused, too
        words = f"it stopped answering ({error!r}): {trial.last_words()}"
        seen = replace(seen, start_fault=words, wrong_answers=(*seen.wrong_answers, words))
    trial.measure_memory()
    return replace(seen, peak_memory_mib=trial.peak_memory_mib if seen.ready_seconds is not None else None)


def _wrong_answers(trial: BentoOnTrial, queries: list[KnownQuery]) -> tuple[str, ...]:
    wrong, now = [], queries[0].now if queries else 0
    for query in sorted(queries, key=lambda query: query.now):
        if query.now != now:
            now = query.now
            set_clock(trial.folder, now)
            time.sleep(CLOCK_LOOK_SECONDS)
        body = {"user_id": query.user_id, "k": len(query.expected)}
        status, answer = trial.ask("POST", "/v1/recommendations", body)
        trouble = (
            difference(query, answer) if status == 200 else f"user {query.user_id}: status {status}, {answer}"
        )
        wrong += [trouble] if trouble else []
    return tuple(wrong)
