"""The retriever of docs/retrievers.md is one: its code is taken from the page."""

import re
import sys
from pathlib import Path
from types import ModuleType

from tests.retrieval.conformance import RetrieverConformance

PAGE = Path(__file__).parents[2] / "docs" / "retrievers.md"
CODE, TEST = re.findall(r"```python\n(.*?)```", PAGE.read_text().split("## Add one")[1], re.DOTALL)


def retriever_of_the_page() -> ModuleType:
    module = ModuleType("recency_of_the_page")
    sys.modules[module.__name__] = module  # where a dataclass looks its own module up
    exec(CODE, module.__dict__)
    return module


class TestRecency(RetrieverConformance):
    make = retriever_of_the_page().Recency
    knows_order = False


def test_page__tests_its_retriever_like_this_file() -> None:
    assert "class TestRecency(RetrieverConformance):\n    make = Recency\n    knows_order = False\n" in TEST


def test_page__names_every_retriever() -> None:
    from benchmarks.sequences.systems import all_systems

    text = PAGE.read_text()
    assert [name for name in all_systems() if f"`{name}`" not in text] == []
