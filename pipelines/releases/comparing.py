"""In what two releases differ, as far as the ledger knows them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.params import flatten, params_sha256
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LedgerError, Release

ALWAYS_DIFFERENT = ("release_id", "bento_path")


class UnknownRelease(LedgerError):  # noqa: N818
    """The ledger has no release of this id."""


@dataclass(frozen=True)
class Difference:
    """One thing that two releases do not share.

    Attributes:
        what: A field of the release, a parameter, ``policy of …``, or a check of a gate.
        one: Of the first, None where it has none.
        other: Of the second.
    """

    what: str
    one: Any
    other: Any


def compare(ledger: Ledger, one: str, other: str) -> list[Difference]:
    """Fields, policy and checks that differ, in that order.

    Raises:
        UnknownRelease: The ledger has no release of one of the ids.
    """
    first, second = (_facts(ledger, existing_release(ledger, name)) for name in (one, other))
    names = dict.fromkeys([*first, *second])
    return [
        Difference(name, first.get(name), second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    ]


def compare_params(one: Release, other: Release, one_file: Path, other_file: Path) -> list[Difference] | None:
    """Parameters that differ, by the ``params.yaml`` that the workspaces of the two runs still hold.

    Returns:
        None when a file is gone or is not the one that the release was made with.
    """
    if one.params_sha256 == other.params_sha256:
        return []
    first, second = _kept_params(one, one_file), _kept_params(other, other_file)
    if first is None or second is None:
        return None
    return [
        Difference(f"params.yaml: {name}", first.get(name), second.get(name))
        for name in dict.fromkeys([*first, *second])
        if first.get(name) != second.get(name)
    ]


def _kept_params(release: Release, file: Path) -> dict[str, Any] | None:
    try:
        if params_sha256(file) != release.params_sha256:
            return None
        return dict(flatten(yaml.safe_load(file.read_text())))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def existing_release(ledger: Ledger, release_id: str) -> Release:
    """The release of this id.

    Raises:
        UnknownRelease: There is none.
    """
    found = ledger.release(release_id)
    if found is None:
        raise UnknownRelease(f"the ledger has no release {release_id!r}: see `shoploop releases list`")
    return found


def _facts(ledger: Ledger, release: Release) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(release).items() if name not in ALWAYS_DIFFERENT}
    for decision in ledger.decisions(release.run_id):
        body = json.loads(decision.body)
        facts |= dict(_policy(decision.kind, body.get("policy", {})))
        facts |= {f"{decision.kind} gate: {check['name']}": _told(check) for check in body.get("checks", [])}
    return facts


def _policy(kind: str, policy: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in policy.items():
        yield f"policy of the {kind} gate: {key}", value


def _told(check: Mapping[str, Any]) -> str:
    observed = check.get("observed")
    return str(check["verdict"]) + ("" if observed is None else f" {observed:.4g}")
