"""Whether releases are built again as they were: ``python -m benchmarks.reproduce --out DIR [--home HOME] [--last 3]``.

Each of the newest releases is built once more from what was recorded of it, with an empty cache, as `shoploop releases
reproduce` does, and every hash is compared.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.heading import heading
from pipelines.actions.reproduce_release import Reproduction, reproduce_release
from pipelines.releases.ledger import Ledger
from pipelines.settings import Settings, settings
from pipelines.tables import write_json
from pipelines.workspace import WorkspaceError

Row = dict[str, Any]


def main() -> None:
    """Build, compare, and write ``report.json`` and ``reproduce.png``."""
    asked = _arguments()
    own = settings() if asked.home is None else settings().model_copy(update={"home": asked.home.resolve()})
    if not own.home.is_dir():
        sys.exit(f"--home {own.home}: there is no installation; `make run` makes one")
    newest = Ledger(own.ledger).releases()[: asked.last]
    done = [found for release in newest if (found := _again(own, release.release_id)) is not None]
    if not done:
        sys.exit(f"--home {own.home}: the workspace of no release is there; `make run` makes one")
    whole = report(done)
    write_json(asked.out / "report.json", whole)
    draw(done, asked.out / "reproduce.png")
    print(table(whole))


def _again(own: Settings, release_id: str) -> Reproduction | None:
    _say(f"{release_id}: begins")
    try:
        return reproduce_release(own, Ledger(own.ledger), release_id, lambda _: None)
    except WorkspaceError as error:  # older ones are removed by policy
        _say(f"{release_id}: left out, {error}")
        return None


def report(done: list[Reproduction]) -> Row:
    """The report in the common form of all benchmarks.

    Args:
        done: Of each release; at least one.
    """
    about = {"system": "reproduce", "split": "test", "seeds": 1}
    same = {one.release_id: sum(each.is_same for each in one.comparisons) for one in done}
    return heading("reproduce", {"name": "releases of one installation", "releases": [*same]}) | {
        "results": [
            about | {"metric": "same_hashes", "release": one.release_id, "value": same[one.release_id],
                     "of": len(one.comparisons)}
            for one in done
        ],
        "different": {
            one.release_id: [each.what for each in one.comparisons if not each.is_same] for one in done
        },
        "resources": [{"system": one.release_id, "seconds": round(one.seconds, 1)} for one in done],
        "goals": [
            {
                "goal": f"every hash is the same: {sum(same.values())} of "
                f"{sum(len(one.comparisons) for one in done)} are",
                "met": all(one.is_same for one in done),
            }
        ],
    }  # fmt: skip


def table(whole: Row) -> str:
    """Markdown: a line a release."""
    seconds = {row["system"]: row["seconds"] for row in whole["resources"]}
    lines = ["| release | the same | not the same | seconds of all stages |", "| --- | --- | --- | --- |"]
    for row in whole["results"]:
        name = row["release"]
        different = ", ".join(whole["different"][name]) or "nothing"
        lines.append(f"| {name} | {row['value']} of {row['of']} | {different} | {seconds[name]:g} |")
    return "\n".join(lines)


def draw(done: list[Reproduction], file: Path) -> None:
    """Write the picture: how many of each release's hashes are the same."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 1.2 + 0.5 * len(done)), layout="constrained")
    names = [one.release_id for one in done]
    same = [sum(each.is_same for each in one.comparisons) for one in done]
    axis.barh(names, [len(one.comparisons) for one in done], color="tab:red", label="not the same")
    axis.barh(names, same, color="tab:green", label="the same")
    axis.invert_yaxis()
    axis.set_xlabel("hashes and figures compared")
    axis.legend(loc="lower right")
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproduce", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--home", type=Path, help="of an installation, instead of this one")
    parser.add_argument("--last", type=int, default=3, help="so many releases, the newest")
    return parser.parse_args()


if __name__ == "__main__":
    main()
