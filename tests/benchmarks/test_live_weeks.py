"""What the live weeks ask for, what their load logs, and what is reported of it."""

import asyncio
import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import pages
from benchmarks.live_weeks import fault
from benchmarks.live_weeks.arguments import read_plan
from benchmarks.live_weeks.fault import Strike
from benchmarks.live_weeks.live_shop import LiveShop, make_checkout
from benchmarks.live_weeks.load import SETTLED_SECONDS, LandedWeek, Load
from benchmarks.live_weeks.load_log import Sent, end_line, quantile_ms, read_log, windows
from benchmarks.live_weeks.plot import bands, draw
from benchmarks.live_weeks.report import goals, outcome_of, report, rows_since, table
from benchmarks.live_weeks.shoppers import Shoppers
from benchmarks.live_weeks.spoilt_features import KNOWN, LINES, permuted
from benchmarks.next_basket.inputs import DataError
from pipelines.commands.progress import FollowedRun
from pipelines.params import ParamsError, load_params
from pipelines.releases.status import EndpointStatus, ReleaseStatus
from pipelines.settings import CHECKOUT
from pipelines.sources.complete_journey import TABLES
from pipelines.weeks import ShopCalendar

PARAMS = CHECKOUT / "params.yaml"
NO_FAULT = {"faults": [], "links": 9, "head": "a" * 64}


def sent(at: float, seconds: float = 0.01, status: int = 200, kind: str = "ask", error: str = "") -> Sent:
    return Sent(at, kind, status, seconds, "r-44-a", "champion", error)


def write_log(folder: Path, *requests: Sent, end: int | None = None) -> Path:
    file = folder / "load.jsonl"
    file.write_text("".join(one.line() for one in requests) + ("" if end is None else end_line(end)))
    return file


def week(number: int, outcome: str, struck: str = "") -> dict[str, Any]:
    step = {
        "step": "canary",
        "share": 0.1,
        "taken_at": "2026-11-29 07:00:10",
        "release_id": "r-45-b",
        "reason": "x",
    }
    return {
        "week": number, "run": f"run-{number}", "spoilt": outcome == "refused", "struck": struck, "struck_at": 0.0,
        "verdict": "FAIL" if outcome == "refused" else "PASS", "summary": "said", "outcome": outcome, "why": "",
        "steps": [] if outcome == "refused" else [step], "task_seconds": {}, "began_at": 0.0, "seconds": 90.0,
    }  # fmt: skip


WEEKS = [week(44, "released"), week(45, "taken back", "r-45-b"), week(46, "refused")]


def test_read_log__gives_requests_by_time_and_tells_a_whole_log(tmp_path: Path) -> None:
    log = read_log(write_log(tmp_path, sent(2.0), sent(1.0, status=503), end=2))
    assert [one.at for one in log.requests] == [1.0, 2.0]
    assert [one.status for one in log.failures] == [503]
    assert log.is_whole


def test_read_log__of_a_load_that_was_killed_or_lost_a_line_is_not_whole(tmp_path: Path) -> None:
    assert not read_log(write_log(tmp_path, sent(1.0))).is_whole
    assert not read_log(write_log(tmp_path, sent(1.0), end=2)).is_whole


@pytest.mark.parametrize("line", ['{"kind": "ask", "at"', "[]", '{"kind": "ask"}', '{"at": 1}'])
def test_read_log__names_the_line_that_is_no_request(tmp_path: Path, line: str) -> None:
    file = write_log(tmp_path, sent(1.0))
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"load.jsonl line 2"):
        read_log(file)


def test_read_log__without_a_log_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"load.err"):
        read_log(tmp_path / "load.jsonl")


def test_failed__is_every_request_without_a_good_answer() -> None:
    assert [sent(0).failed, sent(0, status=0, error="x").failed, sent(0, status=404).failed] == [
        False,
        True,
        True,
    ]
    # An answer that could not be read is one as well.
    assert sent(0, error="ValueError").failed


def test_windows__count_by_ten_seconds_and_leave_failures_out_of_the_quantiles() -> None:
    first, second = windows(
        [sent(100.0, 0.001), sent(109.9, 0.003), sent(110.0, 9.0, status=0), sent(111.0, 0.5)]
    )
    assert (first.at, first.requests, first.failed, first.p50_ms, first.p99_ms) == (100.0, 2, 0, 1.0, 3.0)
    assert (second.at, second.requests, second.failed, second.p50_ms) == (110.0, 2, 1, 500.0)


def test_quantile__is_a_value_that_was_seen() -> None:
    hundred = [number / 1000 for number in range(1, 101)]
    assert (quantile_ms(hundred, 50), quantile_ms(hundred, 99), quantile_ms([], 99)) == (50.0, 99.0, None)
    assert quantile_ms([0.004], 99) == 4.0


def run(state: str, *took: str, failed: str = "") -> FollowedRun:
    return FollowedRun(
        "train_recommender", "r", state, dict.fromkeys(took, 1.0), {failed: 1} if failed else {}
    )


def test_outcome__is_told_from_the_run_and_the_last_step() -> None:
    aborted, canary = {"step": "aborted"}, {"step": "canary"}
    assert outcome_of(run("success", "finished"), canary) == "released"
    assert outcome_of(run("success", "refused"), None) == "refused"
    assert outcome_of(run("success", "refused_package"), None) == "refused"
    assert outcome_of(run("success", "nothing_new"), None) == "failed"
    assert outcome_of(run("failed", failed="release_model"), aborted) == "taken back"
    # The endpoint was down, for instance: nobody judged the candidate.
    assert outcome_of(run("failed", failed="release_model"), canary) == "failed"
    assert outcome_of(run("failed", failed="train_sequence"), None) == "failed"


def met(weeks: list[dict[str, Any]], log: Any, verified: dict[str, Any] = NO_FAULT) -> list[bool]:
    return [goal["met"] for goal in goals(weeks, log, verified)]


def test_goals__are_met_only_by_what_was_seen(tmp_path: Path) -> None:
    good = read_log(write_log(tmp_path, sent(1.0), end=1))
    assert met(WEEKS, good) == [True] * 6
    assert met(WEEKS, read_log(write_log(tmp_path, sent(1.0, status=502), end=1)))[0] is False
    assert met(WEEKS, read_log(write_log(tmp_path, end=0)))[0] is False
    assert met(WEEKS, read_log(write_log(tmp_path, sent(1.0))))[1] is False
    assert met(WEEKS[:2], good)[2] is False
    # Taken back for another reason than the fault, or without one.
    assert met([week(45, "taken back"), WEEKS[2]], good)[3] is False
    assert met([*WEEKS, week(47, "failed")], good)[4] is False
    assert met(WEEKS, good, NO_FAULT | {"faults": [{"what": "changed"}]})[5] is False


def whole(folder: Path) -> dict[str, Any]:
    began = datetime(2026, 11, 29, 7, 0, tzinfo=UTC).timestamp()
    log = read_log(write_log(folder, *(sent(began + second) for second in range(120)), end=120))
    record = {
        "history": "2026 r-44-a by train\n",
        "steps_text": "canary 10% r-45-b\n",
        "moves": [
            {"moved_at": "2026-11-29 06:59:00", "release_id": "r-44-a"},
            {"moved_at": "2026-11-29 07:01:00+00:00", "release_id": "r-45-b"},
        ],
        "steps": WEEKS[1]["steps"],
        "verify": NO_FAULT,
        "pictures": [],
    }
    data = {"name": "Complete Journey", "path": "p", "sha256": "x"}
    return report("python -m benchmarks.live_weeks --out DIR", data, WEEKS, log, record, {"a.b": 1})


def test_report__is_drawn_and_told_on_a_page(tmp_path: Path) -> None:
    found = whole(tmp_path)
    assert {row["metric"]: row["value"] for row in found["results"]} == {
        "requests": 120, "purchases": 0, "failed_requests": 0, "p50_ms": 10.0, "p99_ms": 10.0,
        "released": 1, "refused": 1, "taken_back": 1, "failed": 0,
    }  # fmt: skip
    assert "| 45 | r-45-b killed | PASS | taken back | canary 10% | 1.5 |" in table(found)
    assert "| 46 | features mixed up | FAIL | refused |  | 1.5 |" in table(found)
    page = pages.render_page("live_weeks", json.loads(json.dumps(found)))
    assert "# Weeks 44 to 46 live: Complete Journey" in page
    assert "2026 r-44-a by train" in page
    draw(found, tmp_path / "live_weeks.png")
    assert (tmp_path / "live_weeks.png").stat().st_size > 5_000


def test_bands__say_what_was_live_from_the_first_request_on(tmp_path: Path) -> None:
    first, (begin, end, name) = bands(whole(tmp_path))
    assert first == (0.0, 1.0, "r-44-a")
    # The last window begins 110 s after the first.
    assert (begin, name) == (1.0, "r-45-b")
    assert end == pytest.approx(110 / 60)


def test_rows_since__takes_a_moment_without_a_zone_as_utc() -> None:
    rows = json.dumps([{"t": "2026-11-29 07:00:00"}, {"t": "2026-11-29T08:00:01+01:00"}])
    began = datetime(2026, 11, 29, 7, 0, 1, tzinfo=UTC).timestamp()
    assert [row["t"][:13] for row in rows_since(rows, "t", began)] == ["2026-11-29T08"]


SHOPPERS = Shoppers(("1",), {44: 1.0}, {44: [datetime(2017, 10, 25, 17, 0)]}, {"7": 2.5})


def test_purchase__is_told_late_at_a_moment_at_which_the_week_really_bought() -> None:
    bought = SHOPPERS.purchase(44, "1", "7", 3, random.Random(1))
    assert (bought["occurred_at"], bought["value"]) == ("2017-10-25T17:00:00Z", 2.5)
    assert "value" not in SHOPPERS.purchase(44, "1", "8", 3, random.Random(1))
    assert SHOPPERS.buying_share(60) == 0.0


def test_shoppers__are_read_by_the_weeks_of_the_shop_and_not_of_the_table(tmp_path: Path) -> None:
    # Week 44 of New York ends on Monday, 30 October 2017, at 4 o'clock UTC. Household 2 buys twice on a day of it.
    moments = ["2017-10-29 12:00", "2017-10-29 13:00", "2017-10-30 03:59", "2017-10-30 04:00"]
    rows = {
        "household_id": ["2", "2", "1", "2"],
        "basket_id": ["a", "b", "c", "d"],
        "product_id": ["7", "7", "7", "8"],
        "quantity": [1, 2, 1, 0],
        "sales_value": [2.0, 6.0, 2.5, 1.0],
        "week": [45] * 4,
        "transaction_timestamp": [datetime.fromisoformat(moment) for moment in moments],
    }
    for name in TABLES:
        pq.write_table(pa.table(rows), tmp_path / f"{name}.parquet")
    found = Shoppers.read(ShopCalendar.of(load_params(PARAMS).shop), tmp_path)
    assert found.households == ("1", "2")
    assert {week: len(baskets) for week, baskets in found.moments.items()} == {44: 3, 45: 1}
    assert found.moments[45] == [datetime(2017, 10, 30, 4, 0, tzinfo=UTC)]
    # Two households on one day each of seven; one of two on one of seven.
    assert found.shares == {44: pytest.approx(1 / 7), 45: pytest.approx(1 / 14)}
    assert found.prices == {"7": 2.5}


def test_landed_week__is_the_new_one_only_when_every_data_plane_has_seen_it(tmp_path: Path) -> None:
    clock, now = tmp_path / "clock.json", 100.0
    clock.write_text('{"week": 44}')
    landed = LandedWeek(clock, lambda: now)
    assert landed.now() == 44
    now += 1000
    clock.write_text('{"week": 45}')
    assert landed.now() == 44
    now += SETTLED_SECONDS - 1
    assert landed.now() == 44
    now += 1
    assert landed.now() == 45


def answering(status: str, body: bytes) -> Any:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    return answer


async def visit(folder: Path, status: str, body: bytes, listens: bool = True) -> None:
    server = await asyncio.start_server(answering(status, body), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if not listens:
        server.close()
        await server.wait_closed()
    (folder / "clock.json").write_text('{"week": 44}')
    with (folder / "load.jsonl").open("w") as log:
        load = Load(port, SHOPPERS, log, LandedWeek(folder / "clock.json"))
        await load.visit(datetime.now(UTC).timestamp(), 0)
        log.write(end_line(load.sent))
    server.close()


def test_visit__asks_and_buys_and_logs_both(tmp_path: Path) -> None:
    answer = {"release": "r-44-a", "variant": "canary", "items": [{"item_id": "7"}]}
    asyncio.run(visit(tmp_path, "200 OK", json.dumps(answer).encode()))
    log = read_log(tmp_path / "load.jsonl")
    assert [(one.kind, one.status, one.release, one.variant) for one in log.requests] == [
        ("ask", 200, "r-44-a", "canary"),
        ("buy", 200, "r-44-a", "canary"),
    ]
    assert log.is_whole
    assert not log.failures


@pytest.mark.parametrize(
    ("status", "body", "listens", "said"),
    [
        ("503 Unavailable", b"no release", True, "no release"),
        ("200 OK", b"{", True, "JSONDecodeError"),
        ("200 OK", b"{}", False, "ConnectionRefusedError"),
    ],
)
def test_visit__that_fails_is_a_line_with_its_error(
    tmp_path: Path, status: str, body: bytes, listens: bool, said: str
) -> None:
    asyncio.run(visit(tmp_path, status, body, listens))
    (failure,) = read_log(tmp_path / "load.jsonl").failures
    assert said in failure.error


def test_checkout__is_a_committed_copy_with_its_own_params(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    make_checkout(CHECKOUT, copy, {"advance_release.canary_shares": [0.1, 0.5]})
    assert load_params(copy / "params.yaml").advance_release.canary_shares == (0.1, 0.5)
    changed = subprocess.run(
        ["git", "status", "--short"], cwd=copy, capture_output=True, text=True, check=True
    )
    assert changed.stdout == ""
    # Of a week that is to be refused, the features are spoilt and put back.
    shop = LiveShop(read_plan(["--out", str(tmp_path / "out")], PARAMS), print)
    shop.settings = shop.settings.model_copy(update={"checkout": copy})
    honest = (copy / LINES).read_text()
    with shop._spoilt_features():
        spoilt = (copy / LINES).read_text()
        assert spoilt.count("LAG(item_id, 7)") == honest.count(KNOWN) == 2
    assert (copy / LINES).read_text() == honest


def test_checkout__with_parameters_that_are_not_valid_names_them(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="canary_shares"):
        make_checkout(CHECKOUT, tmp_path / "checkout", {"advance_release.canary_shares": [0.5, 0.1]})


@pytest.mark.parametrize(("share", "is_killed"), [(0.1, True), (0.0, False)])
def test_strike__kills_a_candidate_that_answers_shoppers_and_no_shadow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, is_killed: bool
) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as candidate:
        releases = {
            "r-44-a": ReleaseStatus("live", pid=1),
            "r-45-b": ReleaseStatus("ready", pid=candidate.pid),
        }
        status = EndpointStatus(2, "", live="r-44-a", candidate="r-45-b", share=share, releases=releases)
        looks: list[object] = []

        def look(settings: object) -> EndpointStatus:
            looks.append(settings)
            return status

        monkeypatch.setattr(fault, "read_status", look)
        monkeypatch.setattr(fault, "LOOK_SECONDS", 0.01)
        monkeypatch.setattr(fault, "ANSWERING_SECONDS", 0.01)
        with Strike(read_plan(["--out", str(tmp_path)], PARAMS).settings()) as strike:
            while not strike.struck and len(looks) < 5:
                time.sleep(0.01)
        struck, ended = strike.struck, candidate.poll()
        if is_killed:
            ended = candidate.wait()
        candidate.kill()
    assert (struck, ended) == (("r-45-b", -9) if is_killed else ("", None))


def test_permuted__refuses_a_file_that_reads_its_events_otherwise() -> None:
    with pytest.raises(ValueError, match="spoil another file"):
        permuted(KNOWN)
