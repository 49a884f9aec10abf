"""Put the bundle that is live now into a workspace, as an input of evaluation."""

import json
import shutil
from pathlib import Path

from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release
from pipelines.run_facts import write_json
from pipelines.workspace import WorkspaceError

CHAMPION_FOLDER = Path("data/inputs/champion")
START_FOLDER = Path("data/inputs/warm_start")
BUNDLE_IN_BENTO = Path("src/bundle")


def fetch_champion(ledger: Ledger, store: Path, workspace: Path) -> str | None:
    """Copy the live release's bundle to ``data/inputs/champion``; ``none.json`` says that there is none.

    Args:
        ledger: Knows what is live.
        store: BentoML's.
        workspace: Of the run.

    Returns:
        The id of the live release, None for none.

    Raises:
        WorkspaceError: The ledger names a release whose Bento is gone.
    """
    folder = workspace / CHAMPION_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    live = ledger.live()
    if live is None:
        write_json(folder / "none.json", {"champion": None})
        return None
    bundle = _bundle_of(live, store)
    # Bytecode appears when a bundle's code is imported; it is not part of the bundle.
    shutil.copytree(bundle, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    write_json(folder / "champion.json", {"release_id": live.release_id, "week": live.week})
    return live.release_id


def fetch_start(workspace: Path, wanted: bool) -> None:
    """Copy what training may begin with out of the fetched champion to ``data/inputs/warm_start``.

    Without a champion, and where a warm start is not wanted, ``none.json`` is all there is: what training does not
    read must not make it run anew.

    Args:
        workspace: Where ``fetch_champion`` wrote.
        wanted: What ``train_sequence.warm_start`` says.
    """
    champion, folder = workspace / CHAMPION_FOLDER, workspace / START_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if not wanted or not (champion / "sequence.npz").is_file():
        write_json(folder / "none.json", {"start": None})
        return
    for name in ("sequence.npz", "items.json"):
        shutil.copyfile(champion / name, folder / name)
    week = json.loads((champion / "bundle.json").read_text())["fitted_through_week"]
    write_json(folder / "start.json", {"fitted_through_week": week})


def _bundle_of(release: Release, store: Path) -> Path:
    bundle = release.bento_folder(store) / BUNDLE_IN_BENTO
    if not (bundle / "bundle.json").is_file():
        raise WorkspaceError(
            f"{bundle}: the live release {release.release_id} has no bundle there; restore the Bento "
            f"{release.bento_tag}, or roll back to a release that is complete"
        )
    return bundle
