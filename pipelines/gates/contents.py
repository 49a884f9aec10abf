"""Checks of what a Bento brings along: the licences of its libraries, and no secret."""

from collections.abc import Mapping, Sequence

from pipelines.domain import Check, Verdict
from pipelines.params import DecidePackage

SHOWN = 5


def licences_allowed(policy: DecidePackage, licences: Mapping[str, str]) -> Check:
    """Every library has a licence of the policy's list; one whose licence is not known is no evidence."""
    check = "licences_allowed"
    if not licences:
        words = "no library could be read from the Bento's lock: build it again"
        return Check(check, Verdict.INSUFFICIENT_EVIDENCE, None, None, words)
    strange = [
        f"{name} ({said})" for name, said in licences.items() if said and not _is_allowed(policy, said)
    ]
    unknown = [name for name, said in licences.items() if not said]
    if strange:
        words = (
            f"{_some(strange)}: not among the licences that the policy allows; use another library, or allow its "
            "licence by licences_allowed in params.yaml"
        )
        return Check(check, Verdict.FAIL, None, None, words)
    if unknown:
        words = f"{_some(unknown)}: no licence can be read; install requirements/serving.txt here and decide again"
        return Check(check, Verdict.INSUFFICIENT_EVIDENCE, None, None, words)
    words = f"all {len(licences)} libraries have a licence that the policy allows"
    return Check(check, Verdict.PASS, None, None, words)


def no_secrets(found: Sequence[str]) -> Check:
    """No file of the Bento holds a secret."""
    if not found:
        return Check("no_secrets", Verdict.PASS, None, None, "no secret was found in any file of the Bento")
    words = f"{_some(found)}: take it out where it comes from, make a new one, and build again"
    return Check("no_secrets", Verdict.FAIL, None, None, words)


def _is_allowed(policy: DecidePackage, expression: str) -> bool:
    """Whether all parts of an SPDX expression are allowed, or one of what it leaves to choose."""
    return all(
        any(choice.strip(" ()") in policy.licences_allowed for choice in part.split(" OR "))
        for part in expression.split(" AND ")
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
