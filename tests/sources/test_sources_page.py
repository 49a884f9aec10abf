"""docs/sources.md: it says every key, and what it shows can be loaded."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.sources.column_mapping import DIRECTIVE, NAMED_FORMATS, ColumnMapping, Declared
from pipelines.sources.declaration import (
    CancelledOrders,
    DataSetMapping,
    Rules,
    SourceDeclaration,
    load_source,
)

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
MODELS: tuple[type[Declared], ...] = (
    SourceDeclaration,
    DataSetMapping,
    ColumnMapping,
    Rules,
    CancelledOrders,
)
KEYS = [
    (model.__name__, field.alias or name) for model in MODELS for name, field in model.model_fields.items()
]


@pytest.mark.parametrize(("model", "key"), KEYS, ids=[f"{model}.{key}" for model, key in KEYS])
def test_page__explains_every_key(model: str, key: str) -> None:
    """In the part of the page that is about this kind of key."""
    headings = {
        "SourceDeclaration": "## The source",
        "DataSetMapping": "## A data set",
        "ColumnMapping": "## A column",
        "Rules": "## Messy rows",
        "CancelledOrders": "### `cancelled_orders`",
    }
    part = PAGE.split(headings[model], 1)[1].split("\n## ", 1)[0]
    assert f"`{key}`" in part


@pytest.mark.parametrize(
    "choice",
    [
        choice
        for field in (*Rules.model_fields.values(), CancelledOrders.model_fields["do"])
        for choice in re.findall(r"'([a-z_]+)'", str(field.annotation))
    ],
)
def test_page__explains_every_choice_of_a_rule(choice: str) -> None:
    assert f"`{choice}`" in PAGE.split("## Messy rows", 1)[1]


def test_page__explains_every_pattern_and_format() -> None:
    table = PAGE.split("| in a pattern |", 1)[1].split("\n\n", 1)[0]
    assert [
        letter
        for letter in map(chr, range(33, 127))
        if DIRECTIVE.match(f"%{letter}") and f"`%{letter}`" not in table
    ] == []
    assert all(f"`{name}`" in PAGE for name in NAMED_FORMATS)


@pytest.mark.parametrize("example", EXAMPLES)
def test_page__shows_what_can_be_loaded(example: str, tmp_path: Path) -> None:
    written: dict[str, Any] = yaml.load(example, Loader=yaml.BaseLoader)
    for column in written.get("columns", {}).values():
        ColumnMapping.model_validate(column)
    Rules.model_validate(written.get("rules") or {})
    if "name" in written:
        (tmp_path / f"{written['name']}.yaml").write_text(example)
        load_source(tmp_path / f"{written['name']}.yaml")
    assert {"columns", "rules", "name"} & set(written)
