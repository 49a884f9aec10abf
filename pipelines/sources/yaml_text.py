"""YAML in which every value is the text that was written.

Plain YAML reads `0123` as 83, `12:30` as 750 and `no` as false; in a mapping these are ids, hours and names.
"""

from pathlib import Path
from typing import Any

import yaml

from pipelines.sources.errors import SourceError


class _TextLoader(yaml.BaseLoader):
    """Scalars stay text, and a key that comes twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} comes twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file whose top is a mapping.

    Raises:
        SourceError: It is missing or not YAML; the message names line and column.
    """
    try:
        content = yaml.load(path.read_text("utf-8-sig"), Loader=_TextLoader)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise SourceError(f"{path}: cannot be read ({why}); write it with `shoploop source add`") from error
    except yaml.YAMLError as error:
        raise SourceError(f"{path}: expected YAML, found: {_where(error)}; correct it there") from error
    if not isinstance(content, dict):
        raise SourceError(
            f"{path}: expected keys such as `kind:` and `location:`, found none; see docs/sources.md"
        )
    return content


def _where(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"{error.problem or error.context}{place}"
