"""The law that DuckDB, which sifts, and Great Expectations, which judges, read every declaration alike."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import schema
from pipelines.contracts.checkpoint import Subject, run_checkpoint
from pipelines.contracts.declaration import Column, Contract
from pipelines.contracts.rules import row_rules
from pipelines.contracts.sifting import sift

AS_OF = datetime(2018, 1, 1, tzinfo=UTC)
NUMBERS = [
    -1.0,
    -0.0,
    0.0,
    1e-6,
    0.5,
    1.0,
    1.5,
    5.0,
    10_000.0,
    1e6 + 1,
    2.5e9,
    1e16,
    float("inf"),
    float("-inf"),
]
MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2017, 6, 1, tzinfo=UTC),
    datetime(2017, 6, 1, 0, 0, 0, 1, tzinfo=UTC),
    AS_OF,
    datetime(2018, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
]
VALUES: dict[str, list[Any]] = {
    "string": ["007", "théft", " ", "it's", "a; b"],
    "float64": NUMBERS,
    "bool": [True, False],
    "timestamp": MOMENTS,
}


def values_of(column: Column) -> st.SearchStrategy[Any]:
    """Good and bad values of a column, and none."""
    return st.sampled_from([None, column.sample, *column.allowed, *VALUES[column.type]])


def rows_of(contract: Contract) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = st.fixed_dictionaries({column.name: values_of(column) for column in contract.columns})
    return st.lists(row, min_size=15, max_size=40)


def tables() -> st.SearchStrategy[dict[str, pa.Table]]:
    return st.fixed_dictionaries(
        {
            name: rows_of(contract).map(
                lambda rows, contract=contract: pa.Table.from_pylist(rows, schema(contract))
            )
            for name, contract in CONTRACTS.items()
        }
    )


# An example takes a second, so a counterexample is shown as it was found rather than made small.
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(tables())
def test_engines__count_the_same_broken_rows_of_every_contract(generated: dict[str, pa.Table]) -> None:
    subjects = [
        Subject(CONTRACTS[name], table, AS_OF, keys_are_unique=False) for name, table in generated.items()
    ]
    judged = {
        (finding.data_set, finding.rule): finding.unexpected for finding in run_checkpoint("law", subjects)
    }
    for name, table in generated.items():
        sifted = sift(table, CONTRACTS[name], AS_OF).violations
        rules = [rule.name for rule in row_rules(CONTRACTS[name])]
        assert {rule: judged[name, rule] for rule in rules} == {rule: sifted[rule] for rule in rules}


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_generated_values__break_every_rule_of_every_contract(contract: Contract) -> None:
    """Otherwise the law would hold of rules that are never broken."""
    rows = [
        {other.name: other.sample for other in contract.columns} | {column.name: value}
        for column in contract.columns
        for value in [None, *column.allowed, *VALUES[column.type]]
    ]
    broken = sift(pa.Table.from_pylist(rows, schema(contract)), contract, AS_OF).violations
    assert [rule.name for rule in row_rules(contract) if not broken[rule.name]] == []
