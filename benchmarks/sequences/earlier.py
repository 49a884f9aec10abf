"""The choices of an earlier run on the same data, taken over instead of being made anew."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.sequences.systems import System
from pipelines.retrieval.tuning import choices_of


class EarlierRunError(ValueError):
    """No choices can be taken over; the message names the report and says what to do."""


@dataclass(frozen=True)
class EarlierRun:
    """A report whose choices are taken over.

    Attributes:
        path: Of the report.
        choices: Of each system, by name.
        said: How they came about: ``command``, ``created_at`` and ``minutes``.
    """

    path: Path
    choices: dict[str, dict[str, Any]]
    said: dict[str, Any]

    def settle(self, systems: Sequence[System]) -> list[System]:
        """The systems with their choices made.

        Raises:
            EarlierRunError: The report lacks a system, or its choices are of other fields than today's.
        """
        return [self._settled(system) for system in systems]

    def _settled(self, system: System) -> System:
        made = self.choices.get(system.name)
        if made is None:
            raise EarlierRunError(
                f"--choices {self.path}: holds none of {system.name}; name the systems that it has by --models:"
                f" {', '.join(self.choices)}"
            )
        if strange := set(made) ^ set(choices_of(system.config)):
            raise EarlierRunError(
                f"--choices {self.path}: {system.name} has other fields today ({', '.join(sorted(strange))});"
                " tune anew, without --choices"
            )
        config = replace(system.config, **made) if made else system.config
        return replace(system, config=config, is_settled=True)


def read_earlier(path: Path, benchmark: str, sha256: Any) -> EarlierRun:
    """Read a ``report.json``.

    Args:
        path: Of the report.
        benchmark: That it must be of.
        sha256: Of the data that it must be of, as its ``data`` says it.

    Raises:
        EarlierRunError: It cannot be read, or is of something else.
    """
    try:
        whole = json.loads(path.read_text())
        found = (whole["benchmark"], whole["data"]["sha256"])
        choices = {system: dict(made) for system, made in whole["choices"].items()}
        said = {"command": whole["command"], "created_at": whole["created_at"]}
        said["minutes"] = whole["protocol"]["minutes"]
    except OSError as error:
        raise EarlierRunError(f"--choices {path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EarlierRunError(f"--choices {path}: expected a report.json that this benchmark wrote") from None
    if found != (benchmark, sha256):
        raise EarlierRunError(
            f"--choices {path}: is of other data or another benchmark ({found[0]}); choices are made on the"
            " validation items of the same file: name its report, or tune anew without --choices"
        )
    return EarlierRun(path, choices, said)
