"""Writing the `shop:` block of params.yaml, whose comments and other lines stay as they are."""

import re
from collections.abc import Mapping
from pathlib import Path

from pipelines.params import ParamsError, load_params
from pipelines.sources.shop_proposal import ShopProposal
from pipelines.tables import write_whole


def write_shop(path: Path, shop: ShopProposal) -> list[str]:
    """Point ``params.yaml`` at a source.

    Returns:
        What changed, a line each; empty when everything was so already.

    Raises:
        ParamsError: The file is not usable, before or after; it is left as it was.
    """
    load_params(path)
    values = {
        "source": shop.source,
        "timezone": shop.timezone,
        "first_week": f'"{shop.first_week}"',
        "history_until_week": "null",  # whatever week is over lands
    }
    text, changes = _replaced(path.read_text(), values)
    if changes:
        write_whole(path, lambda part: (part.write_text(text), load_params(part)))
    return changes


def _replaced(text: str, values: Mapping[str, str]) -> tuple[str, list[str]]:
    block = re.search(r"^shop:.*\n(?:[ \t#].*\n|\n)*", text, re.MULTILINE)
    if block is None:
        raise ParamsError(
            "params.yaml: expected a block `shop:` at the start of a line, found none; write it so"
        )
    changed, changes = block[0], []
    for key, value in values.items():
        line = re.compile(rf"^( +{key}:[ \t]*)(\"[^\"]*\"|'[^']*'|[^\s#]+)([ \t]*)(#.*)?$", re.MULTILINE)
        found = line.search(changed)
        if found is None:
            raise ParamsError(
                f"params.yaml: shop.{key}: expected on a line of its own, found none; write it so"
            )
        if found[2] != value:
            changes.append(f"shop.{key}: {found[2]} -> {value}")
            changed = line.sub(lambda match, new=value: _with_value(match, new), changed, count=1)  # type: ignore[misc]
    return text[: block.start()] + changed + text[block.end() :], changes


def _with_value(line: re.Match[str], value: str) -> str:
    """The line with another value, its comment in the same place where there is room."""
    gap = len(line[2]) + len(line[3]) - len(value)
    return f"{line[1]}{value}" + (f"{' ' * max(gap, 2)}{line[4]}" if line[4] else "")
