"""All retrievers and their blend on sessions: ``python -m benchmarks.sessions --train FILE --test FILE --out DIR``.

A line of FILE is a session, oldest first, or what is known of one, a tab and the item that came next; items are whole
numbers. The end of the training file is the validation, on which everything is chosen.
"""

import argparse
import sys
from pathlib import Path
from time import monotonic

from benchmarks.sequences.arguments import add_arguments, refused
from benchmarks.sequences.earlier import read_earlier
from benchmarks.sequences.experiment import Experiment
from benchmarks.sequences.planning import Plan
from benchmarks.sequences.plot import draw
from benchmarks.sequences.report import table
from benchmarks.sequences.watching import Progress
from benchmarks.sessions.protocol import PROTOCOL
from benchmarks.sessions.reading import SessionFileError, read_sessions
from benchmarks.sessions.report import COLUMNS, SHOWN, report
from benchmarks.sessions.splits import split
from benchmarks.sessions.systems import session_systems
from pipelines.evaluation.full_ranking import Seen
from pipelines.retrieval.tuning import Deadline
from pipelines.tables import write_json

TITLE = "MRR@20 on test, full catalog, 95 % intervals over sessions"


def main() -> None:
    """Measure and write ``report.json``, ``table.md`` and ``sessions.png``."""
    asked = _arguments()
    began = monotonic()
    deadline = Deadline(60 * asked.budget_minutes)
    try:
        files = {"train": read_sessions(asked.train), "test": read_sessions(asked.test)}
        parts = split(files["train"], files["test"])
        asked.out.mkdir(parents=True, exist_ok=True)
        systems = session_systems(asked.models)
        sha256 = {name: file.sha256 for name, file in files.items()}
        earlier = read_earlier(asked.choices, "sessions", sha256) if asked.choices else None
        systems = earlier.settle(systems) if earlier else systems
    except (SessionFileError, ValueError) as error:
        sys.exit(refused(str(error)))
    except OSError as error:
        sys.exit(refused(f"{asked.out}: cannot be written to ({error.strerror}); name another folder"))
    progress = Progress(lambda line: print(line, file=sys.stderr, flush=True), lambda: deadline.left)
    plan = Plan(60 * asked.budget_minutes, asked.seeds, PROTOCOL)
    experiment = Experiment(parts, PROTOCOL, Seen.KEPT, plan, deadline, progress)
    try:
        experiment.run(systems)
    except Exception as error:  # what was measured until then is reported all the same
        experiment.cut(f"the run ended early with {type(error).__name__}: {error}")
    findings = experiment.findings
    with progress.during("intervals"):
        whole = report(files, parts, findings, {"budget_minutes": asked.budget_minutes, "seeds": asked.seeds})
    whole["protocol"]["minutes"] = round((monotonic() - began) / 60, 2)
    if earlier:
        whole["protocol"]["choices"] = earlier.said
    write_json(asked.out / "report.json", whole)
    (asked.out / "table.md").write_text(table(whole, COLUMNS, SHOWN) + "\n")
    draw(whole, asked.out / "sessions.png", metric=PROTOCOL.metric, title=TITLE)
    print(table(whole, COLUMNS, SHOWN))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sessions", description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="sessions to learn from, oldest first")
    parser.add_argument("--test", type=Path, required=True, help="sessions whose next items are asked for")
    add_arguments(parser, minutes=40.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
