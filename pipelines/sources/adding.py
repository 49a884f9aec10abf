"""Writing the first declaration of a source."""

from collections.abc import Mapping
from pathlib import Path

from pipelines.sources.declaration import SourceError, check_top, load_source
from pipelines.sources.proposal import propose
from pipelines.sources.published.listing import propose_published
from pipelines.sources.sniffing import sniff
from pipelines.tables import write_whole


def add_source(checkout: Path, top: Mapping[str, str], wanted: str | None) -> Path:
    """Look at a location and write ``sources/NAME.yaml``.

    Args:
        checkout: Whose folder ``sources`` it is.
        top: Name, kind, location, timezone and currency.
        wanted: Only this glob or table.

    Returns:
        The file.

    Raises:
        SourceError: It is there already, something of ``top`` is wrong, or nothing at the location can be read.
    """
    path = checkout / "sources" / f"{top['name']}.yaml"
    if path.exists():
        raise SourceError(f"{path} is there already; correct it, or remove it and add it again")
    source = check_top(path, top)
    is_published = source.kind == "published"
    text = propose_published(source) if is_published else propose(source, sniff(source, checkout, wanted))
    write_whole(path, lambda part: part.write_text(text))
    load_source(path)
    return path
