"""Put the bundle that is live now into a workspace, as an input of evaluation."""

import shutil
from pathlib import Path

from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release
from pipelines.run_facts import write_json
from pipelines.workspace import WorkspaceError

CHAMPION_FOLDER = Path("data/inputs/champion")
BUNDLE_IN_BENTO = Path("src/bundle")


def fetch_champion(ledger: Ledger, workspace: Path) -> str | None:
    """Copy the live release's bundle to ``data/inputs/champion``; ``none.json`` says that there is none.

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
    bundle = _bundle_of(live)
    # Bytecode appears when a bundle's code is imported; it is not part of the bundle.
    shutil.copytree(bundle, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    write_json(folder / "champion.json", {"release_id": live.release_id, "week": live.week})
    return live.release_id


def _bundle_of(release: Release) -> Path:
    bundle = Path(release.bento_path) / BUNDLE_IN_BENTO
    if not (bundle / "bundle.json").is_file():
        raise WorkspaceError(
            f"{bundle}: the live release {release.release_id} has no bundle there; restore the Bento "
            f"{release.bento_tag}, or roll back to a release that is complete"
        )
    return bundle
