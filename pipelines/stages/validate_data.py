"""Stage: validate all accepted data together, as known at the end of the last complete week."""

import sys
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from pipelines.contracts import APPENDED, CONTRACTS, REFERENCE, Contract
from pipelines.contracts.arrow import schema
from pipelines.contracts.checkpoint import run_checkpoint
from pipelines.contracts.versions import read_accepted
from pipelines.params import load_params
from pipelines.tables import read_json, write_json, write_table
from pipelines.validation import catalog_faults, in_order, known_at, report, subjects
from pipelines.volumes import week_counts
from pipelines.week_counting import LandedWeeks
from pipelines.week_judging import unlike_faults
from pipelines.weeks import ShopCalendar

INPUTS, OUT = Path("data/inputs"), Path("data/validated")


def main() -> None:
    """Validate in the workspace that is the current folder; a broken rule ends the stage with its message."""
    params = load_params()
    clock = read_json(INPUTS / "clock.json")
    as_of = datetime.fromisoformat(clock["as_of"])
    tables = read_inputs(as_of)
    findings = run_checkpoint("validate_data", subjects(tables, as_of))
    weeks = week_counts(tables["events"], calendar := ShopCalendar.of(params.shop))
    decided = LandedWeeks(tables["events"], range(clock["week"], clock["week"] + 1), [], tables["items"])
    # Again, all together: what was accepted may have been judged beside fewer weeks, or by other limits.
    of_the_week = [
        *unlike_faults(decided, calendar, params.validate_data),
        *catalog_faults(tables, calendar, clock["week"], params.validate_data.unjoined_share_limit),
    ]
    said = report(tables, findings, weeks, of_the_week, params.validate_data, clock["week"])
    write_json(Path("reports/validation.json"), said)
    if said["faults"]:
        sys.exit("validate_data: the accepted data break their contracts:\n  " + "\n  ".join(said["faults"]))
    for name, table in tables.items():
        write_table(OUT / f"{name}.parquet", table)
        print(f"{name}: {table.num_rows:,} rows valid", flush=True)


def read_inputs(as_of: datetime) -> dict[str, pa.Table]:
    """All inputs, in their contracts' schemas and order; what is appended to, as known at ``as_of``."""
    reference = {
        contract.name: read_accepted(path, contract)
        for contract in REFERENCE
        if (path := INPUTS / f"{contract.name}.parquet")
    }
    appended = {contract.name: known_at(_read_all(contract), as_of) for contract in APPENDED}
    tables = {**appended, **reference}
    return {name: in_order(tables[name], contract) for name, contract in CONTRACTS.items()}


def _read_all(contract: Contract) -> pa.Table:
    files = sorted((INPUTS / contract.name).glob("*.parquet"))
    return pa.concat_tables(
        [schema(contract).empty_table(), *(read_accepted(path, contract) for path in files)]
    )


if __name__ == "__main__":
    main()
