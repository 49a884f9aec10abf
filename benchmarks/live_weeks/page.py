"""What the page of this benchmark says beside its goals."""

from typing import Any

from benchmarks.live_weeks.report import table

TEXT = """
The real stack in a home of its own: the first model is released, then a load begins and never stops. Week after week of
the shop lands, its asset starts the retraining, and what the gate lets through goes before the shoppers step by step.
The load asks for real households at a fixed rate; a request's time counts from when it is due. It buys from the lists
as often as households bought on a day of that week. One week is trained on features with the items mixed up; the
candidate of another one has its processes killed while it answers a part of the shoppers.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:
    """Heading of the page."""
    weeks = [row["week"] for row in whole["weeks"]]
    return f"Weeks {weeks[0]} to {weeks[-1]} live: {whole['data']['name']}"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    figures = {row["metric"]: row["value"] for row in whole["results"]}
    minutes = sum(line["seconds"] for line in whole["resources"]) / 60
    return [
        TEXT.strip(),
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}; {minutes:.0f} minutes.",
        f"{figures['requests']} requests, {figures['purchases']} of them purchases; "
        f"{figures['failed_requests']} failed. "
        f"Answers took {figures['p50_ms']} ms in the median, {figures['p99_ms']} ms at the 99th percentile, "
        "trainings beside them.",
        table(whole),
        f"![Latency, failures and what was live]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands after the goals."""
    parts = ["## What the ledger says", f"```text\n{whole['history'].strip()}\n```"]
    parts += [f"```text\n{whole['steps_text'].strip()}\n```"]
    if whole["failures"]:
        told = [f"- {one['kind']}: status {one['status']}, {one['error']}" for one in whole["failures"]]
        parts += ["## What failed", "\n".join(told)]
    changed = ", ".join(f"`{key}` {value}" for key, value in whole["parameters"].items())
    return [*parts, f"Other than in params.yaml: {changed}. Everything else: [{name}.json]({name}.json)."]
