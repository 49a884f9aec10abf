"""What the live weeks can be asked for, and what they say when it cannot be done."""

import socket
from pathlib import Path

import pytest

from benchmarks.live_weeks.arguments import SHORT_STEPS, Plan, read_changes, read_plan, read_ports, read_weeks
from benchmarks.next_basket.inputs import DataError
from pipelines.settings import CHECKOUT

PARAMS = CHECKOUT / "params.yaml"


def plan(folder: Path, *words: str) -> Plan:
    return read_plan(["--out", str(folder), *words], PARAMS)


def test_plan__of_all_weeks_and_of_the_fewest_refuses_one_and_strikes_another(tmp_path: Path) -> None:
    every, few = plan(tmp_path), plan(tmp_path, "--weeks", "45-46")
    assert (every.weeks[0], every.weeks[-1], every.refused, every.struck) == (45, 53, 47, 49)
    assert (few.weeks, few.refused, few.struck) == ((45, 46), 46, 45)
    assert str(tmp_path) not in few.command()
    assert every.changes["advance_release.canary_shares"] == [0.1, 0.5]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--weeks", "45"], "expected FIRST-LAST"),
        (["--weeks", "45-54"], "the data with week 53"),
        (["--weeks", "46-50"], "the history ends with week 44"),
        (["--weeks", "45-45"], "one week is refused and another taken back"),
        (["--weeks", "45-46", "--refuse", "47"], "--refuse 47: expected one of the weeks 45 to 46"),
        (["--refuse", "49"], "both name week 49"),
        (["--rate", "0"], "--rate 0: expected above 0"),
        (["--rate", "nan"], "--rate nan: expected above 0"),
        (["--set", "advance_release.canary_shares=[]"], "canary_shares is empty"),
        (["--set", "train_sequence.epoch=1"], "--set train_sequence.epoch=1: expected SECTION.KEY=VALUE"),
        (["--ports", "1", "1", "2"], "three different ports"),
        (["--ports", "1", "2", "70000"], "1 to 65535"),
    ],
)
def test_plan__says_what_cannot_be_done(tmp_path: Path, words: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said.replace("[", r"\[")):
        plan(tmp_path, *words)


def test_plan__does_not_use_a_home_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    plan(tmp_path)
    (tmp_path / "home" / "ledger.db").touch()
    with pytest.raises(DataError, match="home/ in it is not empty"):
        plan(tmp_path)


def test_ports__that_are_taken_are_named_with_their_holder() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        taken = listening.getsockname()[1]
        with pytest.raises(DataError, match=f"{taken} is taken by process"):
            read_ports([taken, *(port for port in (1025, 1026))])


def test_changes__need_steps_in_params() -> None:
    section = dict.fromkeys((key.split(".")[1] for key in SHORT_STEPS), 1)
    assert read_changes([], {"advance_release": section}) == SHORT_STEPS
    del section["canary_shares"]
    with pytest.raises(DataError, match=r"no advance_release.canary_shares"):
        read_changes([], {"advance_release": section})


def test_weeks__follow_the_history() -> None:
    assert read_weeks("31-33", 31) == (31, 32, 33)
