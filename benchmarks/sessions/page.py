"""What the page of this benchmark says beside its goals."""

from benchmarks.sequences.page import details as details
from benchmarks.sequences.page import file_name as file_name
from benchmarks.sequences.page import how_run
from benchmarks.sequences.report import Whole, table
from benchmarks.sessions.report import COLUMNS, SHOWN

TEXT = """
Anonymous sessions: from what a shopper looked at so far, the next item. The last training sessions, as many as the test
file has and at most 15 %, are the validation (the files are in order of time): every choice (each retriever's config,
epochs, the forms and weights of the blend) is made on their prefixes. Then everything is fitted anew on all training
sessions with the choices fixed, and the test is ranked once. A test file that lists every prefix of a session asks
for each of them; a training session is learned from once.

The whole catalog is ranked, items of the session too (they may recur, and the published figures leave nothing out), and
a target stands behind everything that scores the same. `recall_at_20` is the P@20 of the publications: the share of
targets in the first 20 places. Intervals are 95 % over sessions (bootstrap); with several seeds a figure on test is
the mean over seeds, with the standard deviation between them. The blend's figure on validation is of prefixes that its
weights were not learned from.
"""


def title(whole: Whole) -> str:
    """Heading of the page."""
    return f"The next item of a session: {whole['data']['name'] or 'two files of sessions'}"


def measured(name: str, whole: Whole) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    return [
        TEXT.strip(),
        f"{data['sessions']:,} training sessions with {data['events']:,} events of {data['items']:,} items; "
        f"{data['validation_prefixes']:,} prefixes of {data['validation_sessions']:,} sessions validate, "
        f"{data['test_prefixes']:,} prefixes of {data['test_sessions']:,} sessions test.",
        how_run(whole),
        table(whole, COLUMNS, SHOWN),
        f"![MRR@20 by system]({name}.png)",
    ]
