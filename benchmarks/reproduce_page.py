"""What the page of the rebuilt releases says beside its goal."""

from typing import Any

from benchmarks.reproduce import table

TEXT = """
Each release is built once more from what was recorded of it: the code and the parameters of its run, its inputs, an
empty cache. Compared are the hashes of inputs and parameters, of every output of every stage, of the bundle and of the
Bento's content, and the candidate's figure. The release itself was made in Airflow, task by task, by another process.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Heading of the page."""
    return "Releases built once more"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    return [
        TEXT.strip(),
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}.",
        table(whole),
        f"![Hashes that are the same]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:  # noqa: ARG001
    """What stands after the goals."""
    return [f"All figures: [{name}.json]({name}.json)."]
