"""What follows from a declaration: schema, sample rows, suite, page."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from pipelines.contracts import APPENDED, CONTRACTS, EVENTS, PROMOTIONS, REFERENCE, REVIEWS
from pipelines.contracts.arrow import conform, schema, schema_with_provenance, without_provenance
from pipelines.contracts.checkpoint import Subject, build_suite, run_checkpoint
from pipelines.contracts.declaration import Contract, ContractError
from pipelines.contracts.rules import row_rules
from pipelines.contracts.samples import sample_rows
from pipelines.contracts.sifting import sift
from pipelines.dataset_pages import FOLDER, render_index, render_page
from pipelines.params import load_params
from pipelines.settings import CHECKOUT

AS_OF = datetime(2018, 1, 1, tzinfo=UTC)
LIMITS = load_params(CHECKOUT / "params.yaml").validate_data
ALL = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)

# For each row rule of events: a change to one sample row that breaks it and no other rule.
BREAKS = {
    "event_id_present": {"event_id": None},
    "event_type_present": {"event_type": None},
    "event_type_allowed": {"event_type": "theft"},
    "user_id_present": {"user_id": None},
    "quantity_in_range": {"quantity": -1.0},
    "value_in_range": {"value": 2e6},
    "discount_in_range": {"discount": -0.01},
    "occurred_at_present": {"occurred_at": None},
    "ingested_at_present": {"ingested_at": None},
    "item_id_filled_for_purchase_view_cart_rating_impression_return": {"item_id": None},
    "quantity_filled_for_purchase_return": {"quantity": None},
    "ingested_at_not_before_occurred_at": {"ingested_at": datetime(2016, 1, 1, tzinfo=UTC)},
    "occurred_at_not_in_future": {
        "occurred_at": datetime(2018, 1, 2, tzinfo=UTC),
        "ingested_at": datetime(2018, 1, 3, tzinfo=UTC),
    },
}


def test_breaks__name_every_row_rule_of_events() -> None:
    assert set(BREAKS) == {rule.name for rule in row_rules(EVENTS)}


def test_contracts__are_either_appended_to_or_replaced() -> None:
    assert {contract.name for contract in (*APPENDED, *REFERENCE)} == set(CONTRACTS)
    assert not {contract.name for contract in APPENDED} & {contract.name for contract in REFERENCE}
    for contract in APPENDED:
        assert {"occurred_at", "ingested_at"} <= set(contract.column_names)


@ALL
def test_page__is_what_the_declaration_says(contract: Contract) -> None:
    assert (FOLDER / f"{contract.name}.md").read_text() == render_page(contract, LIMITS), (
        "stale: run `python -m pipelines.dataset_pages`"
    )


def test_index_page__is_what_the_declarations_say() -> None:
    assert (FOLDER / "README.md").read_text() == render_index(LIMITS), (
        "stale: run `python -m pipelines.dataset_pages`"
    )


def test_pages__are_those_of_the_data_sets_and_no_others() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == {"README", *CONTRACTS}


def test_page__says_limits_and_versions() -> None:
    page = render_page(EVENTS, LIMITS.model_copy(update={"freshness_hours_limit": 17.0}))
    assert (
        "| `freshness` | the newest event of a batch that completes a week is at most 17 hours older" in page
    )
    assert "| `freshness_hours_limit` 17 |" in page
    assert "| 2 | column corrects (string, may be empty) added; column event_type now allows return |" in page
    assert "`item_id` names an item of [items](items.md)" in page
    assert "{" not in page, "every limit is filled in"


@ALL
def test_sample_rows__keep_every_rule(contract: Contract) -> None:
    rows = sample_rows(contract, 5)
    assert rows.schema == schema(contract)
    assert sift(rows, contract, AS_OF).counts == {
        "rows_in": 5, "accepted": 5, "quarantined": 0, "duplicates": 0
    }  # fmt: skip


@pytest.mark.parametrize("rule", BREAKS)
def test_sift__quarantines_a_row_for_the_one_rule_it_breaks(rule: str) -> None:
    sifted = sift(sample_rows(EVENTS, 3, {1: BREAKS[rule]}), EVENTS, AS_OF)
    assert sifted.quarantined.select(["row", "reason"]).to_pylist() == [{"row": 2, "reason": rule}]
    assert sifted.accepted.num_rows == 2
    assert sifted.violations == {name: int(name == rule) for name in sifted.violations}


def test_checkpoint__counts_the_same_broken_rows_as_sift() -> None:
    """The two engines must read one declaration alike, rule by rule."""
    rows = sample_rows(EVENTS, 20, dict(enumerate(BREAKS.values())))
    findings = run_checkpoint("all rules", [Subject(EVENTS, rows, AS_OF, keys_are_unique=False)])
    counted = {finding.rule: finding.unexpected for finding in findings if finding.rule in BREAKS}
    assert counted == dict.fromkeys(BREAKS, 1)
    assert counted == {rule: sift(rows, EVENTS, AS_OF).violations[rule] for rule in BREAKS}
    assert not any(finding.kept for finding in findings if finding.rule in BREAKS)


def test_checkpoint__tolerates_the_given_share() -> None:
    rows = sample_rows(EVENTS, 20, {3: {"quantity": 0.0}})
    kept = {
        tolerated: {
            finding.rule: finding.kept
            for finding in run_checkpoint(
                "share", [Subject(EVENTS, rows, AS_OF, tolerated=tolerated, keys_are_unique=False)]
            )
        }
        for tolerated in (0.04, 0.05)
    }
    assert kept[0.04]["quantity_in_range"] is False
    assert kept[0.05]["quantity_in_range"] is True


def test_checkpoint__finds_a_repeated_key() -> None:
    rows = pa.concat_tables([sample_rows(PROMOTIONS), sample_rows(PROMOTIONS)])
    findings = run_checkpoint("keys", [Subject(PROMOTIONS, rows, AS_OF)])
    assert {finding.rule: finding.unexpected for finding in findings if not finding.kept} == {
        "promotion_id_unique": 2
    }


@ALL
def test_suite__has_one_expectation_for_each_row_rule(contract: Contract) -> None:
    suite = build_suite(Subject(contract, sample_rows(contract), AS_OF))
    said = [expectation.meta["rule"] for expectation in suite.expectations]
    table_rules = ["not_empty", "columns", f"{contract.key}_unique"]
    assert sorted(said) == sorted([*table_rules, *(rule.name for rule in row_rules(contract))])


def test_conform__fills_a_missing_column_that_may_be_empty() -> None:
    table = conform(sample_rows(EVENTS).drop_columns(["store_id"]), EVENTS, "x.parquet")
    assert table["store_id"].to_pylist() == [None]
    assert table.schema == schema(EVENTS)


def test_conform__reads_empty_text_and_nan_as_missing() -> None:
    table = conform(
        sample_rows(EVENTS, 1, {0: {"basket_id": "", "value": float("nan")}}), EVENTS, "x.parquet"
    )
    assert table["basket_id"].to_pylist() == [None]
    assert table["value"].null_count == 1


def test_conform__takes_integers_for_numbers() -> None:
    table = _with_column("quantity", pa.array([2], pa.int64()))
    assert conform(table, EVENTS, "x.parquet")["quantity"].to_pylist() == [2.0]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (
            "quantity",
            pa.array(["two"]),
            r"column quantity: expected float64, found string \(first value 'two'\)",
        ),
        ("item_id", pa.array([25671]), r"column item_id: expected string, found int64 \(first value 25671\)"),
        (
            "occurred_at",
            pa.array([datetime(2017, 1, 1)], pa.timestamp("us")),
            r"column occurred_at: expected a timestamp with time zone \(UTC\), found timestamp\[us\]",
        ),
    ],
)
def test_conform__names_a_column_of_the_wrong_type(column: str, values: pa.Array, expected: str) -> None:
    with pytest.raises(ContractError, match=f"week.parquet: {expected}.*land the file again"):
        conform(_with_column(column, values), EVENTS, "week.parquet")


def test_conform__names_missing_and_unknown_columns() -> None:
    table = sample_rows(EVENTS).rename_columns({"user_id": "customer"})
    with pytest.raises(
        ContractError, match=r"week.parquet: missing column user_id; unknown column customer;"
    ):
        conform(table, EVENTS, "week.parquet")


def test_conform__names_the_row_of_text_that_is_no_number() -> None:
    quantities = pa.array([*(["1"] * 700), "a lot", *(["1"] * 300)])
    table = sample_rows(EVENTS, 1001)
    place = table.column_names.index("quantity")
    with pytest.raises(ContractError, match="row 701, column quantity: expected float64, found 'a lot'"):
        conform(table.set_column(place, "quantity", quantities), EVENTS, "week.csv", text=True)


def test_conform__passes_on_where_rows_came_from() -> None:
    bare = sample_rows(REVIEWS, 2)
    assert conform(bare, REVIEWS, "x.parquet").column_names == REVIEWS.column_names
    table = bare.append_column("origin", pa.array(["a.csv, row 1", "a.csv, row 2"]))
    said = conform(table.append_column("fault", pa.nulls(2)), REVIEWS, "x.parquet")
    assert said.schema == schema_with_provenance(REVIEWS)
    assert said["origin"].to_pylist() == ["a.csv, row 1", "a.csv, row 2"]
    assert said["original"].to_pylist() == [None, None]
    assert without_provenance(said).equals(bare)
    twice = bare.append_column("origin", pa.nulls(2)).append_column("origin", pa.nulls(2))
    with pytest.raises(ContractError, match="repeated column origin"):
        conform(twice, REVIEWS, "x.parquet")


def _with_column(name: str, values: pa.Array) -> pa.Table:
    table = sample_rows(EVENTS)
    return table.set_column(table.column_names.index(name), name, values)
