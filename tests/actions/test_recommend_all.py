"""Lists for every shopper in one file, from a real data plane."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.actions.recommend_all import CampaignError, recommend_all
from pipelines.settings import Settings
from pipelines.tables import StorageError
from serving.sqlite_state import SqliteState
from tests.serving.plane_under_test import Plane, purchase, starter, stop_all
from tests.serving.tiny_bundle import tea_drinker


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    started: list[Plane] = []
    made = starter(tmp_path, started)()
    made.wait()
    yield made
    stop_all(started)


def shop(plane: Plane) -> Settings:
    return Settings(home=plane.folder, endpoint_url=f"http://127.0.0.1:{plane.port}")


def test_recommend_all__writes_what_the_endpoint_answers_to_each(plane: Plane, tmp_path: Path) -> None:
    plane.post(purchase("c-1", user_id="日本", item_id="60"))
    plane.put("10", stock=0)
    out = tmp_path / "mail" / "lists.parquet"
    made = recommend_all(shop(plane), out, 3, lambda _: None)

    assert (made.shoppers, made.releases) == (2, ("r-44-tiny",))
    rows = pq.read_table(out).to_pylist()
    for user_id in ("1", "日本"):
        answer = plane.recommend(user_id, k=3)
        mine = [row for row in rows if row["user_id"] == user_id]
        assert [row["item_id"] for row in mine] == [item["item_id"] for item in answer["items"]]
        assert [row["rank"] for row in mine] == [1, 2, 3]
        assert {(row["source"], row["release"]) for row in mine} == {("blend", "r-44-tiny")}
        assert mine[0]["reason"] == answer["items"][0]["reason"]
    assert "10" not in {row["item_id"] for row in rows}
    assert "2 shoppers in" in made.message


def test_recommend_all__logs_no_impressions(plane: Plane, tmp_path: Path) -> None:
    recommend_all(shop(plane), tmp_path / "lists.parquet", 3, lambda _: None)
    stop_all([plane])
    with closing(sqlite3.connect(plane.state_file.with_name("impressions.db"))) as log:
        assert log.execute("SELECT count(*) FROM impressions").fetchone() == (0,)


def test_recommend_all__of_many_pages_keeps_their_order_and_tells_how_far_it_is(
    plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SqliteState(plane.state_file)
    state.replace_histories([tea_drinker(f"{number:02d}") for number in range(25)])
    state.close()
    monkeypatch.setattr("pipelines.actions.recommend_all.TOGETHER", 10)
    monkeypatch.setattr("pipelines.actions.recommend_all.PROGRESS_SECONDS", 0.0)
    said: list[str] = []
    recommend_all(shop(plane), tmp_path / "lists.parquet", 1, said.append)
    assert pq.read_table(tmp_path / "lists.parquet")["user_id"].to_pylist() == [f"{n:02d}" for n in range(25)]
    assert said == ["10 of 25 shoppers", "20 of 25 shoppers", "25 of 25 shoppers"]


def test_recommend_all__that_fails_half_way_leaves_what_was_there(plane: Plane, tmp_path: Path) -> None:
    out = tmp_path / "lists.parquet"
    recommend_all(shop(plane), out, 3, lambda _: None)
    before = out.read_bytes()
    stop_all([plane])
    with pytest.raises(
        CampaignError, match=r"shopper '1': the endpoint at .* gave no list .* see `shoploop status`"
    ):
        recommend_all(shop(plane), out, 3, lambda _: None)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.glob("*.p*")] == ["lists.parquet"]


def test_recommend_all__of_an_empty_shop_or_to_a_folder_that_is_none_says_so(
    plane: Plane, tmp_path: Path
) -> None:
    with pytest.raises(CampaignError, match="no shopper has a history yet"):
        recommend_all(Settings(home=tmp_path / "new"), tmp_path / "x.parquet", 3, lambda _: None)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        recommend_all(shop(plane), tmp_path / "file" / "x.parquet", 3, lambda _: None)


def shoploop(plane: Plane, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "SHOPLOOP_HOME": str(plane.folder),
        "SHOPLOOP_ENDPOINT_URL": f"http://127.0.0.1:{plane.port}",
    }
    command = [sys.executable, "-m", "pipelines.cli", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_command__writes_the_file_and_wants_one_of_two(plane: Plane, tmp_path: Path) -> None:
    done = shoploop(plane, "recommend", "--all", "-k", "2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "recommendations.parquet").num_rows == 2
    for words in (["recommend"], ["recommend", "1", "--all"]):
        wrong = shoploop(plane, *words, folder=tmp_path)
        assert (wrong.returncode, "expected one of USER and --all" in wrong.stderr) == (2, True)


def test_action__is_what_the_task_runs(plane: Plane, tmp_path: Path) -> None:
    done = shoploop(
        plane, "action", "recommend_all", "--workspace", str(tmp_path / "run-7"), "--k=2", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert pq.read_table(plane.folder / "campaigns" / "run-7.parquet").num_rows == 2
    assert (tmp_path / "run-7" / "run" / "recommend_all.json").is_file()
