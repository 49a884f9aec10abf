"""From published files to a folder that the mapping can read."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelines.sources.errors import SourceError
from pipelines.sources.published.downloading import Say, download, name_of
from pipelines.sources.published.originals import Original, find_originals
from pipelines.sources.published.preparing import code_of, prepare
from pipelines.sources.published.presets import Place, Preset
from pipelines.tables import read_json, write_json

MADE_FROM = ".made_from.json"


def lay_out(preset: Preset, place: Place, folder: Path, ready: Path, kept: Iterable[str], say: Say) -> None:
    """Make ``ready`` hold what the mapping reads, unless it does already.

    Args:
        preset: The data set.
        place: Which variant, and whether the files are given.
        folder: Where the published files are, or are downloaded to.
        ready: Filled with ``ROLE/FILE`` of the roles in ``kept``, and with what the preparation writes.
        kept: Roles whose files the mapping reads as they were published.
        say: Told how far it is.

    Raises:
        SourceError: Files are missing and cannot be downloaded, or are not what they should be.
    """
    with tempfile.TemporaryDirectory(prefix="shoploop-published-") as scratch:
        found = _found(preset, place, folder, Path(scratch), say)
        made_from = _digest(preset, found, kept)
        known = ready / MADE_FROM
        if known.exists() and read_json(known)["digest"] == made_from:
            return
        _make(preset, found, ready, set(kept), say)
        write_json(known, {"digest": made_from})


def _found(
    preset: Preset, place: Place, folder: Path, scratch: Path, say: Say
) -> Mapping[str, list[Original]]:
    found = find_originals(preset.files, folder, scratch)
    if all(found.values()):
        return found
    if place.folder is None and preset.downloads:
        for url in (url.replace("{variant}", place.variant) for url in preset.downloads):
            download(url, folder / name_of(url), say)
        found = find_originals(preset.files, folder, scratch)
    for role, originals in found.items():
        if not originals:
            raise SourceError(_missing(preset, role, folder))
    return found


def _missing(preset: Preset, role: str, folder: Path) -> str:
    there = sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return (
        f"{preset.title}: expected {' or '.join(preset.files[role].names)} in {folder}, found "
        f"{', '.join(there[:10]) or 'no file'}; {preset.by_hand} Put the files, packed or not, into {folder}"
    )


def _digest(preset: Preset, found: Mapping[str, list[Original]], kept: Iterable[str]) -> str:
    parts = [f"{role}|{one.fingerprint}" for role, originals in found.items() for one in originals]
    text = "\n".join([*parts, *sorted(kept), preset.prepare or "", code_of(preset.prepare)])
    return hashlib.sha256(text.encode()).hexdigest()


def _make(preset: Preset, found: Mapping[str, list[Original]], ready: Path, kept: set[str], say: Say) -> None:
    part = ready.with_name(ready.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for role, originals in found.items():
        for one in originals:
            if one.member:
                say(f"{preset.title}: unpacking {one.name}")
            one.bring_to(part / role / one.name)
    if preset.prepare:
        say(f"{preset.title}: preparing; this reads everything once")
        prepare(preset.prepare, part)
    for unread in set(found) - kept:
        shutil.rmtree(part / unread)
    shutil.rmtree(part / ".spill", ignore_errors=True)
    shutil.rmtree(ready, ignore_errors=True)
    part.rename(ready)
