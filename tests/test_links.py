"""Links between the pages of this repository."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from pipelines.snapshot import listed_files

ROOT = Path(__file__).parents[1]
PAGES = [name for name in listed_files(ROOT) if name.endswith(".md")]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
# [text](target "title"), [name]: target, src="target"
TARGET = re.compile(r"""\]\(<?([^)\s>]+)|^\[[^\]]+\]:\s*(\S+)|(?:src|href)=["']([^"']+)""", re.MULTILINE)


def targets(text: str) -> list[str]:
    """Files that a page names in links and images, without their anchors."""
    found = ["".join(groups) for groups in TARGET.findall(CODE.sub("", text))]
    files = [target.split("#")[0] for target in found if not re.match(r"[a-z]+:", target)]
    return [unquote(file) for file in files if file]


def test_targets__are_files_of_links_and_images_of_every_kind() -> None:
    text = """[a](a.md) ![b](b/c.png "title") [![d](d.svg)](e.md#part) [f](#part) [g](https://x.y/z) `[h](h.md)`
<img src="i.png"> <a href='j%20k.md'>j</a>
[l]: m.md
```
[n](n.md)
```
[o](mailto:o@p) [q](q/)
"""
    assert targets(text) == ["a.md", "b/c.png", "d.svg", "e.md", "i.png", "j k.md", "m.md", "q/"]


@pytest.mark.parametrize("page", PAGES)
def test_links__lead_to_files_that_exist(page: str) -> None:
    file = ROOT / page

    assert [name for name in targets(file.read_text()) if not (file.parent / name).exists()] == []


def test_links__are_found_where_they_are() -> None:
    assert "docs/containers.md" in targets((ROOT / "README.md").read_text())
