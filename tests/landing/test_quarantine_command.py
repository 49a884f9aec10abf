"""`shoploop quarantine` as a person meets it: what it says, its exit codes, and its page followed literally."""

import json
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import Result
from landed_files import files_of
from typer.testing import CliRunner

from pipelines.actions.validate_batch import validate_batch
from pipelines.cli import app
from pipelines.contracts import EVENTS, PROMOTIONS
from pipelines.contracts.samples import sample_rows
from pipelines.landing import Batch
from pipelines.settings import CHECKOUT, Settings, settings
from pipelines.shop import OpenShop

BATCH = "weeks-01-44"
PAGE = CHECKOUT / "docs" / "quarantine.md"
Shoploop = Callable[..., Result]


@pytest.fixture
def landed(shop: OpenShop, shop_settings: Settings) -> None:
    """A batch with three quarantined events and one quarantined promotion."""
    moment = shop.calendar.end(44)
    changes: dict[int, dict[str, object]] = {
        number: {"occurred_at": moment - timedelta(days=1)} for number in range(200)
    }
    for number in (3, 4):
        changes[number] |= {"quantity": 0.0, "user_id": f"[bold]{number}"}
    changes[5] |= {"user_id": None, "quantity": -1.0}
    changes = {number: change | {"ingested_at": moment} for number, change in changes.items()}
    tables = {
        "events": sample_rows(EVENTS, 200, changes),
        "promotions": sample_rows(PROMOTIONS, 100, {0: {PROMOTIONS.columns[1].name: None}}),
    }
    shop.landing.land(Batch(BATCH, "file", moment.isoformat(), "a test"), tables)
    validate_batch(shop_settings)
    shop.clock.advance(44, moment)


@pytest.fixture
def shoploop(shop_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shoploop:
    """Runs the command in an empty folder."""
    monkeypatch.setenv("SHOPLOOP_HOME", str(shop_settings.home))
    monkeypatch.setenv("SHOPLOOP_CHECKOUT", str(shop_settings.checkout))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    settings.cache_clear()
    yield lambda *words: CliRunner().invoke(app, ["quarantine", *words])
    settings.cache_clear()


def said(result: Result, code: int = 0) -> str:
    """What was said, on one line; ends the test if the exit code is another."""
    assert result.exit_code == code, result.output
    return " ".join((result.stderr if code == 2 else result.output).split())


def test_page__can_be_followed_literally(shoploop: Shoploop, landed: None) -> None:
    blocks = PAGE.read_text().split("```bash\n")[1:]
    lines = [line for block in blocks for line in block.split("```")[0].splitlines()]
    commands = [shlex.split(line)[2:] for line in lines]
    assert all(line.startswith("shoploop quarantine ") for line in lines)
    assert {command[0] for command in commands} == {"list", "show", "query", "resubmit"}
    for command in commands:
        output = said(shoploop(*command))
        if "--out" in command:
            file = Path(command[-1])
            header, first, *_ = file.read_text().splitlines()
            mended = first.replace(',"0.0",', ',"1.5",', 1)
            file.write_text(f"{header}\n{mended}\n")
    assert "landed 1 mended row of events as resubmitted-" in output
    assert "1 row left the quarantine" in output


def test_list__of_nothing_says_so(shoploop: Shoploop) -> None:
    assert said(shoploop("list")) == "Nothing is in quarantine: every row that landed keeps every rule."
    assert json.loads(shoploop("list", "--json").stdout) == []
    assert said(shoploop("query", "select count(*) from quarantine")).endswith("0")


def test_list__counts_by_reason(shoploop: Shoploop, landed: None) -> None:
    groups = json.loads(shoploop("list", "--json").stdout)
    counted = [(group["data_set"], group["reason"], group["rows"], group["open"]) for group in groups]
    promotion = (f"{PROMOTIONS.columns[1].name}_present", 1, 1)
    assert counted == [
        ("events", "quantity_in_range", 2, 2), ("events", "user_id_present; quantity_in_range", 1, 1),
        ("promotions", *promotion),
    ]  # fmt: skip
    assert "4 rows, 4 open." in said(shoploop("list"))


def test_list__names_a_row_that_is_unaccounted_for(shoploop: Shoploop, landed: None, shop: OpenShop) -> None:
    shop.landing.events_of(BATCH).unlink()
    result = shoploop("list")
    assert result.exit_code == 1
    assert "does not account for every row" in result.stderr
    assert "expected 197 accepted rows, as the record says, found 0" in result.stderr


def test_show__tells_what_was_found(shoploop: Shoploop, landed: None) -> None:
    output = said(shoploop("show", BATCH, "--data-set", "events", "--rows", "2"))
    assert "quantity_in_range (quantity: '0.0')" in output
    assert "… and 1 more: --rows 3 shows them all" in output
    both = said(shoploop("show", BATCH))
    assert f"events of {BATCH}" in both
    assert f"promotions of {BATCH}" in both


def test_show__chooses_by_reason(shoploop: Shoploop, landed: None) -> None:
    assert "user_id_present; quantity_in_range (quantity: '-1.0')" in said(
        shoploop("show", BATCH, "--reason", "user_id_present")
    )
    shoploop("show", BATCH, "--reason", "user_id_present; quantity_in_range", "--out", "both.csv")
    shoploop("show", BATCH, "--reason", "quantity_in_range", "--out", "one.csv")
    assert len(Path("both.csv").read_text().splitlines()) == 2
    assert len(Path("one.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show", "nobody"], "expected an accepted batch, found 'nobody'; `shoploop quarantine list` names them"),
        (["show", BATCH, "--data-set", "order"], "expected one of the data sets events, "),
        (["show", BATCH, "--data-set", "items"], f"batch {BATCH} has no row of items in quarantine;"),
        (["show", BATCH, "--reason", "x"], f"batch {BATCH} has no row in quarantine with the reason 'x';"),
        (["show", BATCH, "--out", "x.csv"], f"batch {BATCH} has rows of events, promotions in quarantine and a file"),
        (["query", "select nothing from quarantine"], 'Referenced column "nothing" not found'),
        (["query", "selec"], "the query cannot be run: Parser Error: syntax error"),
        (["query", ""], "expected one SELECT over the table quarantine, found ''"),
        (["query", "select 1; select 2"], "expected one SELECT"),
        (["query", "copy quarantine to 'x.csv'"], "expected one SELECT"),
        (["query", "select * from read_text('/etc/hostname')"], "disabled"),
        (["query", "from '/etc/hostname'"], "does not exist"),
        (["resubmit", "none.csv"], "none.csv: expected a CSV file of `shoploop quarantine show --out`, found none"),
    ],
)  # fmt: skip
def test_bad_question__is_answered_in_words(
    shoploop: Shoploop, landed: None, shop: OpenShop, words: list[str], expected: str
) -> None:
    before = files_of(shop.landing.root)
    assert expected in said(shoploop(*words), code=2)
    assert files_of(shop.landing.root) == before
    assert not list(Path().iterdir())


def test_query__answers_in_a_table_or_json(shoploop: Shoploop, landed: None) -> None:
    sql = "select data_set, count(*) as n from quarantine where state = 'open' group by 1 order by 1"
    assert said(shoploop("query", sql)).endswith("events 3 promotions 1")
    assert json.loads(shoploop("query", sql, "--json").stdout) == [
        {"data_set": "events", "n": 3}, {"data_set": "promotions", "n": 1}
    ]  # fmt: skip
    assert "[bold]3" in said(shoploop("query", "select user_id from quarantine where row = 4"))


def test_resubmit__says_what_was_taken_in_and_what_was_not(
    shoploop: Shoploop, landed: None, shop: OpenShop
) -> None:
    shoploop("show", BATCH, "--data-set", "events", "--out", "m.csv")
    nothing_mended = shoploop("resubmit", "m.csv")
    assert nothing_mended.exit_code == 2
    assert nothing_mended.stdout == "nothing to land\n"
    assert "Not taken in, and in quarantine as before: 3 rows" in nothing_mended.stderr
    Path("m.csv").write_text(Path("m.csv").read_text().replace(',"0.0",', ',"1.5",'))
    some = shoploop("resubmit", "m.csv")
    assert some.exit_code == 1
    assert "2 rows left the quarantine" in some.stdout
    assert f"row 3 (row 6 of {BATCH}): user_id_present; quantity_in_range (quantity: '-1.0')" in some.stderr
    again = shoploop("resubmit", "m.csv")
    assert again.stdout.startswith("taken in before by resubmitted-")
    with duckdb.connect() as connection:
        files = [str(path) for path in shop.landing.event_files()]
        found = connection.execute(
            "select count(distinct event_id), count(*) from read_parquet($f)", {"f": files}
        )
        assert found.fetchone() == (199, 199)


def test_show__has_nothing_to_mend_when_all_was_taken_in(shoploop: Shoploop, landed: None) -> None:
    shoploop("show", BATCH, "--data-set", "events", "--reason", "user_id_present", "--out", "m.csv")
    text = Path("m.csv").read_text().replace('"-1.0"', '"1"').replace('"purchase",,', '"purchase","901",')
    Path("m.csv").write_text(text)
    said(shoploop("resubmit", "m.csv"))
    output = said(shoploop("show", BATCH, "--reason", "user_id_present", "--out", "m2.csv"), code=2)
    assert output == "all 1 of these rows were mended and taken in: there is nothing to mend"
