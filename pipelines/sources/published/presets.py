"""What is known of each published data set: its files, its licence and its mapping, one YAML file each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from pipelines.sources.column_mapping import Declared, as_tuple
from pipelines.sources.errors import SourceError, nearest
from pipelines.sources.yaml_text import read_yaml

FOLDER = Path(__file__).parent
LOCATION = re.compile(r"^(?P<preset>[^/:]+)(?:/(?P<variant>[^/:]+))?(?::(?P<folder>.+))?$", re.DOTALL)


class PublishedFiles(Declared):
    """Files of one kind, as they are published.

    Attributes:
        names: What they are called, as globs that heed capital letters; any of these will do.
        many: Whether all that match are read together; else exactly one may match.
    """

    names: tuple[str, ...]
    many: bool = False

    _lists = field_validator("names", mode="before")(as_tuple)


class Preset(Declared):
    """A published data set.

    Attributes:
        title: Its name.
        homepage: Where its publishers describe it.
        licence: What it may be used for, in short; the homepage is what counts.
        variants: Its parts or sizes, one of which a source takes; the first where it names none.
        downloads: URLs that need no account, with ``{variant}`` for the variant.
        by_hand: What a person does where there is no download, or no network.
        timezone: Of moments that carry no zone.
        currency: Of amounts; XXX where they are disguised or there are none.
        files: What is read, by the name of the folder in which the mapping finds it.
        prepare: The module that writes further files for the mapping to read.
        decisions: What the mapping takes the data to mean, a sentence or two each.
        data_sets: The mapping, in the language of ``sources/NAME.yaml``.
    """

    title: str
    homepage: str
    licence: str
    variants: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()
    by_hand: str
    timezone: str
    currency: str
    files: dict[str, PublishedFiles]
    prepare: str | None = None
    decisions: tuple[str, ...]
    data_sets: dict[str, Any] = Field(min_length=1)

    _lists = field_validator("variants", "downloads", "decisions", mode="before")(as_tuple)


@dataclass(frozen=True)
class Place:
    """A location of kind ``published``: ``PRESET``, ``PRESET/VARIANT``, each with ``:FOLDER`` or without.

    Attributes:
        preset: Name of the preset.
        variant: Which of its variants; empty where it has none.
        folder: Where the files are already, None where they are to be downloaded.
    """

    preset: str
    variant: str
    folder: str | None


def preset_names() -> list[str]:
    """Names of all presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_preset(name: str) -> Preset:
    """A preset by its name.

    Raises:
        SourceError: There is none of that name, or it is not usable.
    """
    names = preset_names()
    if name not in names:
        raise SourceError(
            f"location: expected a published data set, found {name!r}{nearest(name, names)}; there are: "
            f"{', '.join(names)}"
        )
    try:
        return Preset.model_validate(read_yaml(FOLDER / f"{name}.yaml"))
    except ValidationError as error:
        raise SourceError(f"{FOLDER / name}.yaml: {error}") from None


def parse_place(location: str) -> Place:
    """Read a location of kind ``published``.

    Raises:
        SourceError: It names no preset, or no variant of it.
    """
    found = LOCATION.match(location)
    if found is None:
        raise SourceError(
            f"location: expected PRESET, PRESET/VARIANT or either with :FOLDER, found {location!r}; "
            "`shoploop source published` lists the presets"
        )
    preset = load_preset(found["preset"])
    variant = found["variant"] or next(iter(preset.variants), "")
    if variant and variant not in preset.variants:
        listed = ", ".join(preset.variants) or "none"
        raise SourceError(
            f"location: unknown variant {variant!r} of {found['preset']}{nearest(variant, preset.variants)}; "
            f"there are: {listed}"
        )
    return Place(found["preset"], variant, found["folder"])


def with_preset(written: Mapping[str, Any]) -> dict[str, Any]:
    """What a source's file says, with what it leaves to its preset filled in.

    Its own time zone and currency count before the preset's, and so does each of its own data sets.

    Raises:
        SourceError: The location names no preset.
    """
    location, own = written.get("location"), written.get("data_sets") or {}
    if written.get("kind") != "published" or not isinstance(location, str) or not isinstance(own, dict):
        return dict(written)
    preset = load_preset(parse_place(location).preset)
    filled = {"timezone": preset.timezone, "currency": preset.currency, **written}
    return filled | {"data_sets": preset.data_sets | own}
