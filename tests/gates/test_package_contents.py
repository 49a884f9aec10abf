"""Licences and secrets as the package gate judges them, on lists written by hand."""

import pytest

from pipelines.domain import Verdict
from pipelines.gates.contents import licences_allowed, no_secrets
from tests.gates.test_package import POLICY


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [
        ("MIT", Verdict.PASS),
        ("MIT AND Apache-2.0", Verdict.PASS),
        ("GPL-3.0-only OR MIT", Verdict.PASS),
        ("(GPL-3.0-only OR MIT) AND Apache-2.0", Verdict.PASS),
        ("MIT AND GPL-3.0-only", Verdict.FAIL),
        ("MIT OR (Apache-2.0 AND GPL-3.0-only)", Verdict.FAIL),  # stricter than it has to be
        ("", Verdict.INSUFFICIENT_EVIDENCE),
    ],
)
def test_licences__have_to_be_allowed_in_all_their_parts(licence: str, verdict: Verdict) -> None:
    found = licences_allowed(POLICY, {"good": "MIT", "planted": licence})
    assert found.verdict is verdict
    assert ("planted" in found.message) == (verdict is not Verdict.PASS)


def test_licences__a_strange_one_is_named_before_an_unknown_one() -> None:
    found = licences_allowed(POLICY, {"nobody": "", "planted": "GPL-3.0-only"})
    assert found.verdict is Verdict.FAIL
    assert found.message.startswith("planted (GPL-3.0-only): not among the licences")


def test_licences__of_no_library_are_no_evidence() -> None:
    assert licences_allowed(POLICY, {}).verdict is Verdict.INSUFFICIENT_EVIDENCE


def test_no_secrets__names_five_and_counts_the_rest() -> None:
    assert no_secrets(()).verdict is Verdict.PASS
    found = no_secrets([f"file {number}" for number in range(7)])
    assert found.verdict is Verdict.FAIL
    assert "file 4 and 2 more: take it out" in found.message
