"""Choices that an earlier run made: what is taken over, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pages
from benchmarks.sequences.earlier import EarlierRunError, read_earlier
from benchmarks.sequences.systems import plain_systems
from pipelines.settings import CHECKOUT
from pipelines.tables import write_json

SYSTEMS = [plain_systems()[name] for name in ("popularity", "markov")]


def written(folder: Path, **other: Any) -> Path:
    whole = {
        "benchmark": "sequences",
        "command": "python -m benchmarks.sequences",
        "created_at": "2026-01-02T03:04:05+00:00",
        "data": {"sha256": "abc"},
        "protocol": {"minutes": 4.0},
        "choices": {"popularity": {}, "markov": {**vars(SYSTEMS[1].config), "smoothing": 77.0}},
    }
    write_json(folder / "report.json", whole | other)
    return folder / "report.json"


def test_settle__takes_over_what_was_chosen(tmp_path: Path) -> None:
    earlier = read_earlier(written(tmp_path), "sequences", "abc")
    popularity, markov = earlier.settle(SYSTEMS)
    assert popularity.config == SYSTEMS[0].config
    assert (markov.config.smoothing, markov.is_settled) == (77.0, True)
    assert earlier.said["minutes"] == 4.0


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"benchmark": "sessions"}, r"is of other data or another benchmark \(sessions\)"),
        ({"data": {"sha256": "def"}}, "is of other data"),
        ({"choices": 3}, "expected a report.json that this benchmark wrote"),
        ({"protocol": {}}, "expected a report.json that this benchmark wrote"),
        ({"choices": {"popularity": {}}}, "holds none of markov; name the systems that it has by --models: popularity"),
        ({"choices": {"popularity": {}, "markov": {"smoothing": 1.0}}}, "markov has other fields today"),
        ({"choices": {"popularity": {}, "markov": {**vars(SYSTEMS[1].config), "old": 1}}}, r"today \(old\); tune anew"),
    ],
)  # fmt: skip
def test_settle__refuses_what_it_cannot_take_over(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    with pytest.raises(EarlierRunError, match=said):
        read_earlier(written(tmp_path, **other), "sequences", "abc").settle(SYSTEMS)


def test_read__of_no_report_says_why(tmp_path: Path) -> None:
    with pytest.raises(EarlierRunError, match=r"--choices .*none.json: cannot be read"):
        read_earlier(tmp_path / "none.json", "sequences", "abc")
    (tmp_path / "text").write_text("not json")
    with pytest.raises(EarlierRunError, match=r"expected a report.json"):
        read_earlier(tmp_path / "text", "sequences", "abc")


def test_command__fits_again_with_the_same_choices_and_figures(tmp_path: Path) -> None:
    data = tmp_path / "shop.txt"
    lines = [f"{user} " + " ".join(str((user + step) % 25) for step in range(6)) for user in range(60)]
    data.write_text("\n".join(lines) + "\n")

    def run(out: str, *more: str) -> dict[str, Any]:
        command = [
            sys.executable,
            "-m",
            "benchmarks.sequences",
            "--data",
            str(data),
            "--out",
            str(tmp_path / out),
        ]
        command += ["--models", "popularity", "markov", "--budget-minutes", "5", *more]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return dict(json.loads((tmp_path / out / "report.json").read_text()))  # fmt: skip

    first = run("tuned")
    again = run("again", "--choices", str(tmp_path / "tuned" / "report.json"))
    assert again["choices"] == first["choices"]
    assert again["results"] == first["results"]
    assert len(first["trials"]["markov"]) > 1
    assert [len(trials) for trials in again["trials"].values()] == [1, 1]
    assert again["protocol"]["choices"]["command"] == first["command"]
    page = pages.render_page("sequences", again)
    assert "choices are those of an earlier run" in page
    assert "earlier run" not in pages.render_page("sequences", first)
