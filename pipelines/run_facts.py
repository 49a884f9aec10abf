"""What is known of a run before it starts (``run/run.json`` in its workspace), and its tasks' results."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pipelines.workspace import RUN_FOLDER, WorkspaceError


@dataclass(frozen=True)
class RunFacts:
    """Identity and lineage of a run.

    Attributes:
        run_id: Airflow's run id, or one made for a run by hand.
        week: Decision week, the last landed complete week.
        tree_id: Git's tree id of the code.
        dirty: The code is not that of a commit.
        changed: Paths that differ from the commit.
        fingerprint: Equal for runs that would do the same; the champion is left out of it.
        data_sha256: Of the inputs without the champion.
        params_sha256: Of ``params.yaml`` as this run uses it.
        lock_sha256: Of the lock that the environment was installed from.
        overrides: What the form changed in ``params.yaml``, by dotted key.
        promote: Whether a candidate that passes is released.
        require_approval: Whether a person must approve before that.
        reason: Why the run was started, in the words of who did.
        champion_release_id: The live release it is judged against, None for none.
    """

    run_id: str
    week: int
    tree_id: str
    dirty: bool
    changed: tuple[str, ...]
    fingerprint: str
    data_sha256: str
    params_sha256: str
    lock_sha256: str
    overrides: dict[str, Any]
    promote: bool
    require_approval: bool
    reason: str
    champion_release_id: str | None

    @property
    def uncommitted(self) -> str:
        """What of the code is in no commit, in words; empty for nothing."""
        if not self.dirty:
            return ""
        if not self.changed:
            return "its commit is not known"
        shown = ", ".join(self.changed[:3]) + (", …" if len(self.changed) > 3 else "")
        files = "1 file" if len(self.changed) == 1 else f"{len(self.changed)} files"
        return f"{files} not committed ({shown})"

    def write(self, workspace: Path) -> None:
        """Keep them in ``workspace``."""
        write_json(workspace / RUN_FOLDER / "run.json", asdict(self))

    @classmethod
    def read(cls, workspace: Path) -> "RunFacts":
        """The facts of the run of ``workspace``.

        Raises:
            WorkspaceError: No run was opened here.
        """
        raw = read_json(workspace / RUN_FOLDER / "run.json", "open_run")
        known = {field.name: raw[field.name] for field in fields(cls)}
        return cls(**(known | {"changed": tuple(raw["changed"])}))


def write_result(workspace: Path, action: str, result: dict[str, Any]) -> None:
    """Keep the result of ``action`` where its task reads it."""
    write_json(workspace / RUN_FOLDER / f"{action}.json", result)


def read_result(workspace: Path, action: str) -> dict[str, Any]:
    """The result of an earlier action of this run.

    Raises:
        WorkspaceError: The action did not run here.
    """
    return read_json(workspace / RUN_FOLDER / f"{action}.json", action)


def read_json(path: Path, made_by: str) -> dict[str, Any]:
    """A JSON object of the run.

    Raises:
        WorkspaceError: It is not there; the message names the task that makes it.
    """
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise WorkspaceError(
            f"{path}: not there; `{made_by}` of this run makes it: run that first"
        ) from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    draft.replace(path)
