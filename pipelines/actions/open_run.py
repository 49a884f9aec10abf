"""Open a run: its workspace, its parameters, its inputs, and whether there is anything to do."""

import copy
import hashlib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from pipelines.actions.fetch_champion import CHAMPION_FOLDER, START_FOLDER, fetch_champion, fetch_start
from pipelines.actions.fetch_inputs import fetch_inputs
from pipelines.params import ParamsError, load_params, params_sha256
from pipelines.releases.ledger import Ledger
from pipelines.releases.overrides import lapsed_words, standing_override
from pipelines.run_facts import RunFacts, read_json, write_result
from pipelines.settings import Settings
from pipelines.workspace import Workspace, open_workspace

INPUTS = Path("data/inputs")


@dataclass(frozen=True)
class RunRequest:
    """What whoever starts a run asks for; the fields are those of `RunFacts`."""

    run_id: str
    overrides: dict[str, Any]
    promote: bool
    require_approval: bool
    reason: str


def open_run(settings: Settings, request: RunRequest) -> RunFacts:
    """Make the workspace of a run and write its facts to ``run/run.json``.

    Its result (``run/open_run.json``) names the branch: ``nothing_new`` when another run with the same
    inputs, code and parameters came to a verdict on the model, else ``validate_data``.

    Raises:
        ParamsError: An override names an unknown key or is out of range.
        WorkspaceError: The checkout cannot be copied.
        LandingError: No week was accepted yet.
    """
    workspace = open_workspace(settings, request.run_id)
    overrides = apply_overrides(workspace.path / "params.yaml", request.overrides)
    fetch_inputs(settings, workspace.path)
    ledger = Ledger(settings.ledger)
    champion = fetch_champion(ledger, settings.bentoml_home, workspace.path)
    fetch_start(workspace.path, load_params(workspace.path / "params.yaml").train_sequence.warm_start)
    facts = _facts(workspace, replace(request, overrides=overrides), champion)
    facts.write(workspace.path)
    write_result(workspace.path, "open_run", _way_on(ledger, facts))
    return facts


def apply_overrides(path: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """Change ``params.yaml`` by dotted keys; checked as a whole, written only when something differs.

    Returns:
        The overrides that differ from what the file said: the form sends every field, touched or not.

    Raises:
        ParamsError: A key is unknown, or the result is not valid.
    """
    load_params(path)
    before = yaml.safe_load(path.read_text())
    after = copy.deepcopy(before)
    for key, value in overrides.items():
        _set(path, after, key, value)
    if after != before:
        path.write_text(yaml.safe_dump(after, sort_keys=False))
        load_params(path)
    return {key: value for key, value in overrides.items() if _get(before, key) != value}


def inputs_sha256(workspace: Path) -> str:
    """One hash of all inputs but the champion: of their paths and contents."""
    root = workspace / INPUTS
    left_out = {workspace / CHAMPION_FOLDER, workspace / START_FOLDER}
    files = sorted(file for file in root.rglob("*") if file.is_file() and not left_out & set(file.parents))
    return _sha256("\n".join(f"{file.relative_to(root)} {_file_sha256(file)}" for file in files).encode())


def _get(content: dict[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return content[section][name]


def _set(path: Path, content: dict[str, Any], key: str, value: Any) -> None:
    section, _, name = key.partition(".")
    if name not in (content.get(section) or {}):
        known = [
            f"{part}.{inner}" for part, names in content.items() if isinstance(names, dict) for inner in names
        ]
        raise ParamsError(f"{path}: there is no parameter {key!r}; known are {', '.join(sorted(known))}")
    content[section][name] = value


def _facts(workspace: Workspace, request: RunRequest, champion: str | None) -> RunFacts:
    path, snapshot = workspace.path, workspace.snapshot
    data, params = inputs_sha256(path), params_sha256(path / "params.yaml")
    # The champion is left out: after a promotion the same inputs would otherwise look new for ever.
    same_work = json.dumps([data, snapshot.tree_id, params, request.promote])
    return RunFacts(
        run_id=request.run_id,
        week=int(read_json(path / INPUTS / "clock.json", "fetch_inputs")["week"]),
        tree_id=snapshot.tree_id,
        dirty=snapshot.dirty,
        changed=snapshot.changed or (),
        fingerprint=_sha256(same_work.encode()),
        data_sha256=data,
        params_sha256=params,
        lock_sha256=lock_sha256_of(path),
        overrides=request.overrides,
        promote=request.promote,
        require_approval=request.require_approval,
        reason=request.reason,
        champion_release_id=champion,
    )


def _way_on(ledger: Ledger, facts: RunFacts) -> dict[str, Any]:
    code = f"code {facts.tree_id[:10]}" + (" (dirty)" if facts.dirty else "")
    done = ledger.seen(facts.fingerprint, besides=facts.run_id)
    if done is None:
        return {"branch": "validate_data", "note": f"week {facts.week}, {code}"}
    if done.outcome == "refused" and standing_override(ledger, done.decision_id):
        note = f"week {facts.week}, {code}; run {done.run_id} was refused, and its decision is overridden"
        return {"branch": "validate_data", "note": note}
    note = f"NOTHING_NEW: run {done.run_id} had the same data, code and parameters: {done.outcome}"
    lapsed = lapsed_words(ledger, done.decision_id)
    return {"branch": "nothing_new", "note": f"{note} ({lapsed})" if lapsed else note}


def lock_sha256_of(workspace: Path) -> str:
    """Hash of the lock that this environment was installed from."""
    role = "gpu" if (Path(sys.prefix) / ".platform-gpu").exists() else "cpu"
    return _file_sha256(workspace / "requirements" / f"platform-{role}.txt")


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
