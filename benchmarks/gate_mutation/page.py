"""What the page of this benchmark says beside its goals."""

from typing import Any

from benchmarks.gate_mutation.report import is_caught, table

TEXT = """
Each sabotage is really carried out on a copy of an honest workspace, and everything after it runs as always: validation
by Great Expectations, the stages, the quality gate, and where the package is struck the Bento is built, started and
asked. What stands in the table is what they said. A stage that breaks off counts as caught, by `stage_error`.

Only a check that the honest workspace passes counts: one that refuses the honest model too cannot tell them apart. The
half `developed` is what the checks were made against, `unseen` is the other half. Data are spoilt after landing, so
what a landing would have quarantined before is not counted in favour of the gates.

Honest trainings of other weeks and seeds go the same way; each that is refused is a false alarm. Intervals are exact
(Clopper and Pearson), 95 %.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:
    """Heading of the page."""
    return f"Gates under attack: {whole['data']['name']}"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    minutes = sum(line["seconds"] for line in whole["resources"]) / 60
    rates = [
        f"- {row['metric'].replace('_', ' ')}, {row['system']}: {row['count']} of {row['of']} "
        f"({row['low']:.0%} to {row['high']:.0%})"
        for row in whole["results"]
    ]
    return [
        TEXT.strip(),
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}; {minutes:.0f} minutes. Decision week "
        f"{data['week']}, {data['share']:.0%} of the households.",
        "\n".join(rates),
        table(whole),
        f"![What caught each sabotage]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands after the goals."""
    acts = [f"- `{row['name']}`: {row['words']} {row['message']}".rstrip() for row in whole["sabotages"]]
    missed = [row["name"] for row in whole["sabotages"] if not is_caught(row)]
    changed = ", ".join(f"`{key}` {value}" for key, value in whole["parameters"].items())
    parts = ["## What each does, and what was said", "\n".join(acts)]
    parts += [f"No check that the honest workspace passes caught: {', '.join(missed)}."] if missed else []
    parts += [f"Not run for want of time: {', '.join(whole['unfinished'])}."] if whole["unfinished"] else []
    return [*parts, f"Other than in params.yaml: {changed}. Everything else: [{name}.json]({name}.json)."]
