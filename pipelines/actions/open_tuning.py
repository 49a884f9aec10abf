"""Open a search for choices: its workspace and its inputs. No champion: nothing is judged against it."""

from pipelines.actions.fetch_inputs import fetch_inputs
from pipelines.params import load_params
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from pipelines.workspace import open_workspace


def open_tuning(settings: Settings, run_id: str) -> str:
    """Make the workspace and give what will be searched, in words.

    Raises:
        ParamsError: ``params.yaml`` is not usable.
        WorkspaceError: The checkout cannot be copied.
        LandingError: No week was accepted yet.
    """
    workspace = open_workspace(settings, run_id).path
    tuning = load_params(workspace / "params.yaml").tune_sequence
    week = fetch_inputs(settings, workspace).week
    note = f"searches {', '.join(tuning.search)} before week {week}"
    write_result(workspace, "open_tuning", {"note": note})
    return note
