"""Sabotages of what is packed: after the quality gate has passed the bundle."""

import shutil
from pathlib import Path

from benchmarks.gate_mutation.sabotage import BUNDLE, Sabotage, edit_code, reverse_weights
from pipelines.run_facts import read_result, write_result

DOOR = Path("serving/recommender.py")
ASKS = "            return self._model.recommend(history, now, k, allowed, observe, wishes)\n"


def corrupted_file(workspace: Path) -> None:
    """A byte of a model's file is another one."""
    _flip(workspace / BUNDLE / "als.npz")


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def wrong_manifest(workspace: Path) -> None:
    """The bundle is sealed again with other weights after it was judged."""
    reverse_weights(workspace)


def wrong_feature_order(workspace: Path) -> None:
    """Serving hands over a history with its items in the opposite order of their times."""
    edit_code(
        workspace / DOOR,
        ASKS,
        "            history = type(history)(history.user_id, history.items[::-1], history.times, history.baskets)\n"
        + ASKS,
    )


def slow_model(workspace: Path) -> None:
    """Every answer takes a quarter of a second longer."""
    edit_code(workspace / DOOR, ASKS, "            __import__('time').sleep(0.25)\n" + ASKS)


def _leak(workspace: Path, size: int) -> None:
    edit_code(workspace / DOOR, ASKS, f"            LEAKED.append(b'x' * {size})\n" + ASKS)
    edit_code(workspace / DOOR, "class Recommender:\n", "LEAKED = []\n\n\nclass Recommender:\n")


def memory_leak(workspace: Path) -> None:
    """Every answer keeps 3 MiB for good."""
    _leak(workspace, 3 * 2**20)


def small_memory_leak(workspace: Path) -> None:
    """Every answer keeps 64 KiB for good."""
    _leak(workspace, 2**16)


def missing_library(workspace: Path) -> None:
    """The serving code imports what its environment does not have."""
    edit_code(workspace / DOOR, "import logging\n", "import logging\n\nimport not_installed_anywhere\n")


def corrupted_bento(workspace: Path) -> None:
    """A byte of a model's file is another one in the built Bento."""
    built = read_result(workspace, "build_bento")
    copy = workspace / "run/bento"
    shutil.copytree(built["bento_path"], copy)
    _flip(copy / "src/bundle/markov.npz")
    write_result(workspace, "build_bento", built | {"bento_path": str(copy)})


def breaks_off_now_and_then(workspace: Path) -> None:
    """At every fiftieth question the model breaks off, and popularity answers."""
    edit_code(
        workspace / DOOR,
        ASKS,
        "            ASKED.append(history.user_id)\n"
        "            if len(ASKED) % 50 == 0:\n"
        "                raise RuntimeError('now and then')\n" + ASKS,
    )
    edit_code(workspace / DOOR, "class Recommender:\n", "ASKED = []\n\n\nclass Recommender:\n")


def answers_mixed_up(workspace: Path) -> None:
    """Every answer is the one to the question before."""
    edit_code(
        workspace / DOOR,
        ASKS,
        "            BEFORE.append(history)\n            history = BEFORE[max(len(BEFORE) - 2, 0)]\n" + ASKS,
    )
    edit_code(workspace / DOOR, "class Recommender:\n", "BEFORE = []\n\n\nclass Recommender:\n")


def shows_what_is_hidden(workspace: Path) -> None:
    """No list leaves out what is hidden or sold out."""
    looks = "        # The same object as long as no item is put: what follows from it is worked out once.\n"
    edit_code(workspace / DOOR, looks, "        return None\n")


def histories_unread(workspace: Path) -> None:
    """Everybody is answered as somebody who never bought anything."""
    edit_code(workspace / DOOR, ASKS, "            history = type(history).empty(history.user_id)\n" + ASKS)


def clock_a_week_behind(workspace: Path) -> None:
    """Serving reckons with a moment a week ago."""
    edit_code(workspace / DOOR, ASKS, "            now -= 7 * 86_400_000_000\n" + ASKS)


def key_in_the_code(workspace: Path) -> None:
    """The serving code has the private key of the shop's certificate in it."""
    key = 'KEY = """-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END PRIVATE KEY-----"""\n'
    edit_code(workspace / DOOR, "class Recommender:\n", f"{key}\n\nclass Recommender:\n")


def ends_after_a_while(workspace: Path) -> None:
    """The process ends by itself at the two hundredth question."""
    edit_code(
        workspace / DOOR,
        ASKS,
        "            ASKED.append(1)\n"
        "            if len(ASKED) == 200:\n"
        "                __import__('os')._exit(1)\n" + ASKS,
    )
    edit_code(workspace / DOOR, "class Recommender:\n", "ASKED = []\n\n\nclass Recommender:\n")


PACKAGING = (
    Sabotage("corrupted_file", "packaging", "build_bento", "developed", corrupted_file),
    Sabotage("wrong_feature_order", "packaging", "build_bento", "developed", wrong_feature_order),
    Sabotage("slow_model", "packaging", "build_bento", "developed", slow_model),
    Sabotage("memory_leak", "packaging", "build_bento", "developed", memory_leak),
    Sabotage("wrong_manifest", "packaging", "build_bento", "unseen", wrong_manifest),
    Sabotage("small_memory_leak", "packaging", "build_bento", "developed", small_memory_leak),
    Sabotage("missing_library", "packaging", "build_bento", "unseen", missing_library),
    Sabotage("corrupted_bento", "packaging", "decide_package", "unseen", corrupted_bento),
    Sabotage("breaks_off_now_and_then", "packaging", "build_bento", "developed", breaks_off_now_and_then),
    Sabotage("answers_mixed_up", "packaging", "build_bento", "unseen", answers_mixed_up),
    Sabotage("shows_what_is_hidden", "packaging", "build_bento", "developed", shows_what_is_hidden),
    Sabotage("histories_unread", "packaging", "build_bento", "unseen", histories_unread),
    Sabotage("clock_a_week_behind", "packaging", "build_bento", "unseen", clock_a_week_behind),
    Sabotage("key_in_the_code", "packaging", "build_bento", "unseen", key_in_the_code),
    Sabotage("ends_after_a_while", "packaging", "build_bento", "unseen", ends_after_a_while),
)
