"""All retrievers and their blend on one file: ``python -m benchmarks.sequences --data FILE --out DIR``.

FILE has one user a line: the user, then its items in order, separated by spaces. The last item of a user is the test,
the one before is the validation, on which everything is chosen.
"""

import argparse
import sys
from pathlib import Path
from time import monotonic

from benchmarks.sequences.arguments import add_arguments, refused
from benchmarks.sequences.earlier import read_earlier
from benchmarks.sequences.experiment import Experiment
from benchmarks.sequences.findings import LEAVE_ONE_OUT
from benchmarks.sequences.planning import Plan
from benchmarks.sequences.plot import draw
from benchmarks.sequences.reading import SequencesError, read_sequences
from benchmarks.sequences.report import SHOWN, report, table
from benchmarks.sequences.splits import split
from benchmarks.sequences.systems import select_systems
from benchmarks.sequences.watching import Progress
from pipelines.evaluation.full_ranking import Seen
from pipelines.retrieval.tuning import Deadline
from pipelines.tables import write_json

TITLE = "NDCG@10 on test, full catalog, 95 % intervals over users"


def main() -> None:
    """Measure and write ``report.json``, ``table.md`` and ``sequences.png``."""
    asked = _arguments()
    began = monotonic()
    deadline = Deadline(60 * asked.budget_minutes)
    try:
        sequences = read_sequences(asked.data)
        asked.out.mkdir(parents=True, exist_ok=True)
        systems = select_systems(asked.models)
        earlier = read_earlier(asked.choices, "sequences", sequences.sha256) if asked.choices else None
        systems = earlier.settle(systems) if earlier else systems
    except (SequencesError, ValueError) as error:
        sys.exit(refused(str(error)))
    except OSError as error:
        sys.exit(refused(f"{asked.out}: cannot be written to ({error.strerror}); name another folder"))
    whole_split = split(sequences.interactions)
    parts = whole_split.asking()
    progress = Progress(lambda line: print(line, file=sys.stderr, flush=True), lambda: deadline.left)
    experiment = Experiment(
        parts, LEAVE_ONE_OUT, asked.seen, Plan(60 * asked.budget_minutes, asked.seeds), deadline, progress
    )
    if len(parts.test) < len(whole_split.test):
        experiment.cut(
            f"of {len(whole_split.test):,} users {len(parts.test):,} are ranked, drawn: they are too many"
        )
    try:
        experiment.run(systems)
    except Exception as error:  # what was measured until then is reported all the same
        experiment.cut(f"the run ended early with {type(error).__name__}: {error}")
    findings = experiment.findings
    budget = {"budget_minutes": asked.budget_minutes, "seeds": asked.seeds}
    with progress.during("intervals"):
        whole = report(sequences, parts, findings, asked.seen, budget)
    whole["protocol"]["minutes"] = round((monotonic() - began) / 60, 2)
    if earlier:
        whole["protocol"]["choices"] = earlier.said
    write_json(asked.out / "report.json", whole)
    (asked.out / "table.md").write_text(table(whole) + "\n")
    draw(whole, asked.out / "sequences.png", metric=SHOWN[0], title=TITLE)
    print(table(whole))
    if not findings.outcomes:
        sys.exit("no system could be measured: see what was cut in the report")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sequences", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="one user a line, its items in order")
    add_arguments(parser, minutes=20.0)
    parser.add_argument(
        "--seen", type=Seen, choices=list(Seen), default=Seen.FILTERED, help="items of the history"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
