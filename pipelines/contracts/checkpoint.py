"""Great Expectations over tables of a contract: the suite, the checkpoint and the data docs.

Great Expectations takes about ten seconds to import, so only the functions that run it do so.
"""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import without_provenance
from pipelines.contracts.declaration import AS_OF, Contract, RowRule
from pipelines.contracts.rules import row_rules

SITE = "shop"


@dataclass(frozen=True)
class Finding:
    """What Great Expectations says about one rule of one data set.

    Attributes:
        rule: Name of the row rule, or of the table rule (``not_empty``, ``columns``, ``<key>_unique``).
        kept: Whether the rule is kept by at least the share of rows that was asked.
        unexpected: Rows that break it.
    """

    data_set: str
    rule: str
    kept: bool
    unexpected: int


@dataclass(frozen=True)
class Subject:
    """A table to be judged, with the strictness.

    Attributes:
        contract: What it has to keep.
        table: In the contract's schema, with ``PROVENANCE`` or without.
        as_of: Its present.
        tolerated: Share of rows that may break a row rule, 0 for accepted data.
        keys_are_unique: Whether to expect that; a landed batch may repeat rows.
    """

    contract: Contract
    table: pa.Table
    as_of: datetime
    tolerated: float = 0.0
    keys_are_unique: bool = True


def build_suite(subject: Subject) -> Any:
    """The Great Expectations suite of a contract."""
    gx = _great_expectations()
    contract, expect = subject.contract, gx.expectations
    suite = gx.ExpectationSuite(name=contract.name)
    suite.add_expectation(expect.ExpectTableRowCountToBeBetween(min_value=1, meta={"rule": "not_empty"}))
    suite.add_expectation(
        expect.ExpectTableColumnsToMatchOrderedList(
            column_list=contract.column_names, meta={"rule": "columns"}
        )
    )
    for rule in row_rules(contract):
        suite.add_expectation(_expectation(expect, rule, subject))
    if subject.keys_are_unique:
        meta = {"rule": f"{contract.key}_unique"}
        suite.add_expectation(expect.ExpectColumnValuesToBeUnique(column=contract.key, meta=meta))
    return suite


def run_checkpoint(
    run_name: str, subjects: list[Subject], project: Path | None = None, docs: Path | None = None
) -> list[Finding]:
    """Judge tables by one checkpoint.

    Args:
        run_name: Names the run in the data docs.
        subjects: What is judged, one suite each.
        project: Folder in which Great Expectations keeps suites and results; None keeps nothing.
        docs: Folder of the data docs, whose ``index.html`` a person opens; needs ``project``.
    """
    gx = _great_expectations()
    context = _context(gx, project, docs)
    source = context.data_sources.add_or_update_pandas("landing")
    # All of them, whatever is judged now: what the project keeps of earlier runs names them.
    batches = {
        name: source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole")
        for name in CONTRACTS
    }
    definitions = [_definition(gx, context, batches[subject.contract.name], subject) for subject in subjects]
    findings = []
    # One run per data set: a checkpoint hands the same table to all its definitions.
    for subject, definition in zip(subjects, definitions, strict=True):
        checkpoint = context.checkpoints.add_or_update(
            gx.Checkpoint(
                name=subject.contract.name,
                validation_definitions=[definition],
                actions=[gx.checkpoint.UpdateDataDocsAction(name="data_docs", site_names=[SITE])]
                if docs
                else [],
                result_format={"result_format": "BASIC", "partial_unexpected_count": 5},
            )
        )
        result = checkpoint.run(
            batch_parameters={"dataframe": _frame(without_provenance(subject.table))},
            run_id=gx.RunIdentifier(run_name=run_name),
        )
        findings += [_finding(subject, item) for run in result.run_results.values() for item in run.results]
    return findings


def _great_expectations() -> Any:
    # Nobody who lands a batch agreed to report it to a vendor.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with _spark_hidden():
        import great_expectations as gx
        import great_expectations.expectations

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    return gx


@contextmanager
def _spark_hidden() -> Iterator[None]:
    """Spark, which no suite here uses, is not imported along; its client would end a ``python -c`` process."""
    seen = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "pyspark"}
    sys.modules.update(dict.fromkeys(["pyspark", *seen], None))  # type: ignore[arg-type]
    try:
        yield
    finally:
        del sys.modules["pyspark"]
        sys.modules.update(seen)


def _context(gx: Any, project: Path | None, docs: Path | None) -> Any:
    if project is None:
        context = gx.get_context(mode="ephemeral")
    else:
        project.mkdir(parents=True, exist_ok=True)
        context = gx.get_context(mode="file", project_root_dir=str(project))
    if docs is not None:
        _use_docs(context, docs)
    context.variables.progress_bars = {"globally": False}
    return context


def _use_docs(context: Any, docs: Path) -> None:
    docs.mkdir(parents=True, exist_ok=True)
    site = {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())},
    }
    known = context.list_data_docs_sites()
    for name in set(known) - {SITE}:
        context.delete_data_docs_site(name)
    (context.update_data_docs_site if SITE in known else context.add_data_docs_site)(SITE, site)


def _definition(gx: Any, context: Any, batch: Any, subject: Subject) -> Any:
    suite = context.suites.add_or_update(build_suite(subject))
    definition = gx.ValidationDefinition(name=subject.contract.name, data=batch, suite=suite)
    return context.validation_definitions.add_or_update(definition)


def _expectation(expect: Any, rule: RowRule, subject: Subject) -> Any:
    arguments: dict[str, Any] = {
        name: subject.as_of if value == AS_OF else value for name, value in rule.arguments.items()
    }
    if "row_condition" in arguments:
        among, values = arguments["row_condition"]
        arguments["row_condition"] = expect.row_conditions.Column(among).is_in(list(values))
    return getattr(expect, rule.expectation)(
        **arguments, mostly=1.0 - subject.tolerated, meta={"rule": rule.name}, notes=rule.meaning
    )


def _frame(table: pa.Table) -> Any:
    """A pandas frame whose text stays in Arrow (no copy, five times faster) and whose times are numpy's."""
    import pandas as pd

    return table.to_pandas(types_mapper={pa.string(): pd.ArrowDtype(pa.string())}.get)


def _finding(subject: Subject, result: Any) -> Finding:
    rule = result.expectation_config.meta["rule"]
    failed = [info for info in _exceptions(result.exception_info) if info.get("raised_exception")]
    if failed:
        raise RuntimeError(f"Great Expectations could not judge {subject.contract.name}.{rule}: {failed[0]}")
    return Finding(
        subject.contract.name, rule, bool(result.success), int(result.result.get("unexpected_count") or 0)
    )


def _exceptions(info: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    if not info:
        return []
    return (
        [info]
        if "raised_exception" in info
        else [value for value in info.values() if isinstance(value, dict)]
    )
