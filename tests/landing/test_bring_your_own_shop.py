"""docs/bring-your-own-shop.md, followed literally: its commands, in a checkout of their own."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.settings import CHECKOUT
from pipelines.tables import read_json

PAGE = CHECKOUT / "docs" / "bring-your-own-shop.md"
STAGES = (
    "validate_data", "split_weeks", "build_features", "fit_baselines", "train_sequence", "blend_candidate",
    "evaluate_candidate", "decide_promotion",
)  # fmt: skip
SMALL = {
    "model_size: base": "model_size: small",
    "  epochs: 2\n": "  epochs: 1\n",
    "target_weeks: 12 ": "target_weeks: 2 ",
}


def commands() -> list[str]:
    return re.findall(r"^\$ (.+)$", PAGE.read_text(), re.MULTILINE)


@pytest.mark.timeout(1200)
def test_guide__leads_from_a_messy_export_to_the_gate(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    said = {command: _run(command, checkout) for command in commands() if not command.endswith(" run")}

    checked = next(text for command, text in said.items() if " check " in command)
    landed = next(text for command, text in said.items() if " land " in command)
    assert "Landing would take this source" in checked
    (counts,) = re.findall(
        r"events ([\d,]+) of ([\d,]+) accepted, ([\d,]+) quarantined, ([\d,]+) duplicates", landed
    )
    accepted, rows_in, quarantined, duplicates = (int(count.replace(",", "")) for count in counts)
    assert rows_in == accepted + quarantined + duplicates
    assert quarantined > 0
    assert duplicates > 0

    # The run of the guide needs the stack; the stages that its training is made of do not.
    _edit(checkout / "params.yaml", SMALL)
    _run(".venv/bin/shoploop fetch", checkout)
    for stage in STAGES:
        _run(f"python -m pipelines.stages.{stage}", checkout)
    decision = read_json(checkout / "reports" / "decision.json")
    assert decision["verdict"] in ("PASS", "FAIL", "INSUFFICIENT_EVIDENCE")
    assert {check["name"] for check in decision["checks"]} > {"holdout_is_frozen", "enough_households"}


def _checkout(folder: Path) -> Path:
    """The working copy of this checkout without what is ignored."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=CHECKOUT, capture_output=True, check=True, text=True).stdout.split(
        "\0"
    )
    target = folder / "checkout"
    for name in filter(None, names):
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((CHECKOUT / name).read_bytes())
    return target


def _run(command: str, checkout: Path) -> str:
    words = shlex.split(command.replace(".venv/bin/shoploop", "python -m pipelines.cli"))
    environment = os.environ | {
        "SHOPLOOP_CHECKOUT": str(checkout),
        "SHOPLOOP_HOME": str(checkout / ".shoploop"),
        "PYTHONPATH": str(checkout),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _edit(path: Path, changes: dict[str, str]) -> None:
    text = path.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
