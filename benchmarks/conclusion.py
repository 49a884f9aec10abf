"""What every benchmark ends with: its report on disk, and its goals in words."""

import json
from pathlib import Path
from typing import Any


def conclude(whole: dict[str, Any], out: Path) -> None:
    """Write ``report.json`` and print each goal with what was reached."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(whole, indent=2) + "\n")
    for goal in whole["goals"]:
        print(f"{'met    ' if goal['met'] else 'NOT MET'}  {goal['goal']}; reached: {goal['value']}")
