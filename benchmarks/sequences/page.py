"""What the page of this benchmark says beside its goals."""

from collections.abc import Mapping
from typing import Any

from benchmarks.sequences.report import table

Whole = dict[str, Any]

TEXT = """
Each line of the file is a user and what it took, in order. The last item is the test, the one before is the
validation. Every choice (each retriever's config, epochs, the forms and weights of the blend) is made on validation
items; the test is ranked once. `all_but_last_two` learns from neither; `all_but_last` is fitted anew with the same
choices once validation items may be learned from. In both, a user's history on test holds its validation item.

The whole catalog is ranked, and a target stands behind everything that scores the same. Intervals are 95 % over users
(bootstrap); with several seeds a figure is the mean over seeds, with the standard deviation between them. The blend's
figure on validation is of users that its weights were not learned from.
"""


def file_name(whole: Whole) -> str:
    """Name of the page and of what lies beside it; each known file has its own, and one more for chosen models."""
    known = str(whole["data"]["name"]).lower().replace(" ", "_")
    return "_".join(filter(None, [whole["benchmark"], known, "models" if _has_chosen(whole) else ""]))


def title(whole: Whole) -> str:
    """Heading of the page."""
    chosen = ", chosen models" if _has_chosen(whole) else ""
    return f"The next item: {whole['data']['name'] or 'a file of sequences'}{chosen}"


def _has_chosen(whole: Whole) -> bool:
    return "--models" in whole["command"].split()


def measured(name: str, whole: Whole) -> list[str]:
    """What stands before the goals."""
    data, protocol = whole["data"], whole["protocol"]
    short = data["users_with_one_item"] + data["users_with_two_items"]
    return [
        TEXT.strip(),
        f"{data['users']:,} users, {data['items']:,} items, {data['events']:,} events; "
        f"{data['users_ranked']:,} users are ranked, {short:,} are too short and only learned from. "
        f"Seen items are {protocol['seen']}: {protocol['seen_means']} ({data['test_targets_seen_before']:,} on test).",
        how_run(whole),
        table(whole),
        f"![NDCG@10 by system]({name}.png)",
    ]


def how_run(whole: Whole) -> str:
    """Command, date, machine and time; of a run that tuned nothing also where its choices come from."""
    protocol = whole["protocol"]
    said = (
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}; {protocol['minutes']:g} of "
        f"{protocol['budget_minutes']:g} minutes, seeds: {protocol['seeds']}. Seconds are one fit and one ranking."
    )
    if chosen := protocol.get("choices"):
        said += (
            f" Each retriever's choices are those of an earlier run (`{chosen['command']}`, "
            f"{chosen['created_at'][:10]}, {chosen['minutes']:g} minutes); the blend's weights were learned anew."
        )
    return said


def details(name: str, whole: Whole) -> list[str]:
    """What stands after the goals."""
    return [
        *(["## What was cut", "\n".join(f"- {line}" for line in whole["cut"])] if whole["cut"] else []),
        "## Choices",
        _choices(whole["choices"]),
        "## Blends",
        _weights(whole["blends"]),
        "## Slices",
        _slices(whole["slices"]),
        "## Lists",
        _qualities(whole["results"]),
        "## Cost",
        _costs(whole["resources"]),
        f"All figures: [{name}.json]({name}.json).",
    ]


def _rows(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _choices(choices: Mapping[str, Whole]) -> str:
    said = {
        system: ", ".join(f"`{name}` {value}" for name, value in config.items())
        for system, config in choices.items()
    }
    return "\n".join(f"- {system}: {text or 'nothing to choose'}" for system, text in said.items())


def _weights(blends: Mapping[str, Whole]) -> str:
    lines = []
    for name, blend in blends.items():
        heaviest = sorted(blend["weights"].items(), key=lambda pair: -pair[1])
        lines.append(f"- {name}: " + ", ".join(f"{part} {weight:.3f}" for part, weight in heaviest))
    return "\n".join(lines)


def _slices(rows: list[Whole]) -> str:
    trained_on = rows[-1]["trained_on"] if rows else ""
    shown = [row for row in rows if row["trained_on"] == trained_on]
    users = {row["slice"]: row["users"] for row in shown}
    found = {(row["system"], row["slice"]): row["ndcg_at_10"] for row in shown}
    body = [
        [system, *(f"{found[system, name]:.4f}" for name in users)]
        for system in dict.fromkeys(row["system"] for row in shown)
    ]
    head = ["system", *(f"{name} ({count:,})" for name, count in users.items())]
    return f"NDCG@10 on test, trained on {trained_on}.\n\n" + _rows(head, body)


def _qualities(rows: list[Whole]) -> str:
    metrics = ("coverage_at_10", "novelty_at_10", "popularity_lift_at_10", "intra_list_diversity_at_10")
    found = {(row["system"], row["metric"]): row["value"] for row in rows if row["metric"] in metrics}
    body = [
        [system, *(f"{found[system, metric]:.3f}" for metric in metrics)]
        for system in dict.fromkeys(system for system, _ in found)
    ]
    said = (
        "Coverage is a share of the catalog; novelty is in bits; popularity lift is 0 where listed items are as "
        "popular as those of the histories; diversity is one minus the mean cosine by who touched the items."
    )
    return f"{said}\n\n" + _rows(["system", *(metric.removesuffix("_at_10") for metric in metrics)], body)


def _costs(lines: list[Whole]) -> str:
    figures = ("fit_seconds", "rank_seconds", "tune_seconds", "tokens_per_second", "peak_memory_mib")
    body = [[line["system"], *(f"{line[figure]:,}" for figure in figures)] for line in lines]
    return _rows(["system", *(figure.replace("_", " ") for figure in figures)], body)
