"""What the report of rebuilt releases says, by hand; the rebuild itself is tested with its action."""

from pathlib import Path

from benchmarks import pages
from benchmarks.reproduce import draw, report, table
from pipelines.actions.reproduce_release import Comparison, Reproduction


def rebuilt(name: str, *pairs: tuple[str, str]) -> Reproduction:
    compared = tuple(Comparison(f"thing {place}", *pair) for place, pair in enumerate(pairs))
    return Reproduction(name, compared, 12.34, None)


def test_report__counts_what_is_the_same_and_names_what_is_not(tmp_path: Path) -> None:
    done = [rebuilt("r-2", ("a", "a"), ("b", "c")), rebuilt("r-1", ("a", "a"))]
    whole = report(done)
    assert whole["goals"] == [{"goal": "every hash is the same: 2 of 3 are", "met": False}]
    assert "| r-2 | 1 of 2 | thing 1 | 12.3 |" in table(whole)
    assert "| r-1 | 1 of 1 | nothing | 12.3 |" in pages.render_page("reproduce", whole)
    assert report(done[1:])["goals"][0]["met"]
    draw(done, tmp_path / "reproduce.png")
    assert (tmp_path / "reproduce.png").stat().st_size > 3_000
