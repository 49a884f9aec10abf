"""Words brought to one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.text.tokens import tokens


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "Fluid milk white only, store brand, 1 ga",
            ["fluid", "milk", "white", "only", "store", "brand", "1", "ga"],
        ),
        ("APPLES & Glass; gas", ["apple", "glass", "gas"]),
        ("\uff34\uff45\uff41 ①", ["tea", "1"]),
        ("Straße", ["strasse"]),
        ("新緑茶 tea日本", ["新緑", "緑茶", "tea", "日本"]),
        ("茶", ["茶"]),
        ("é", ["é"]),
        ("e\u0301", ["é"]),
        ("snake_case", ["snake", "case"]),
        (" \t…!?", []),
        ("", []),
    ],
)
def test_tokens__by_hand(text: str, found: list[str]) -> None:
    assert tokens(text) == found


@given(st.text(max_size=60))
def test_tokens__of_any_text_are_words_and_the_same_in_upper_case(text: str) -> None:
    found = tokens(text)
    assert all(word and not word.isspace() for word in found)
    assert len(found) <= len(text) * 4
    if text.isascii():
        assert tokens(text.upper()) == found
