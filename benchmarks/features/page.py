"""What the page of this benchmark says beside its goals."""

from typing import Any

from benchmarks.features.report import table

TEXT = """
Every view that `params.yaml` names is built from Complete Journey as known at the start of week 44, from files on disk
to files on disk, sorted by key. The files of every system that ends at the smallest size are compared before any time
counts: keys, texts, integers and booleans equal, floats within 1e-9 relative.

**What is compared.** `duckdb` is `pipelines/features/build.py` as the stage runs it: on one thread for a view that adds
floats, so that they are added in one order and the files are equal byte for byte, on all cores for a view that only
counts, and with 2.5 GB before it goes to disk. The peers use all cores for everything. `pandas` works on factorised
ids and keeps every view in memory; `polars` is lazy and sinks each view to its file; `spark` is the DataFrame API on
`local[*]` with 8 shuffle partitions; `duckdb_files_on_spark` is what `build_features.engine: spark` runs. All count a
pair of items once and leave rare items out first, as the SQL does. Starting Python, importing and opening a session
are not in the seconds, but are in the processor time and the memory, which are of all processes of a run (the JVM
too). What did not finish at a smaller size is not tried at a larger one.

**How the data grow.** Each household is copied under a new id; a copy buys the same items in the same weeks, and each
of its baskets is moved by a drawn part of a week. So volume grows while the catalog, and the number of different pairs
of items in a basket, stay. That favours systems that aggregate as they go and hurts those that first make all pairs;
a shop whose catalog grows too would ask more memory of all four. Limits that count (a pair seen three times) are passed
by more pairs at the larger sizes: the views themselves grow more than the data.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Heading of the page."""
    return "How fast features are built"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    minutes, gib = whole["limits"]["minutes"], whole["limits"]["gib"]
    return [
        TEXT.strip(),
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}. A run is ended after {minutes:g} "
        f"minutes or at {gib:g} GiB.",
        table(whole),
        f"![Seconds and memory by size]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands after the goals."""
    return [
        f"Views: {', '.join(f'`{view}`' for view in whole['views'])}. Figures: [{name}.json]({name}.json).",
    ]
