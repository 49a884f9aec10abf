"""How one column of a contract is made from the columns of a source."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

NAMED_FORMATS = ("iso", "epoch_seconds", "epoch_millis", "epoch_micros")
DIRECTIVE = re.compile("^%(-[dmyHIMSj]|[aAwdbBmyYHIpMSfgnzZjUWcxX%])$")
TIME_OF_DAY = re.compile(r"^(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?$|^24:00(?::00)?$")
OF_MOMENTS = ("format", "at", "fold", "timezone")
OF_NUMBERS = ("decimal", "times")


class Declared(BaseModel):
    """A part of a source's declaration."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True, protected_namespaces=()
    )


def as_tuple(value: Any) -> Any:
    """A single value stands for a list of one; nothing stands for none."""
    if isinstance(value, str):
        return (value,) if value else ()
    return value


class ColumnMapping(Declared):
    """Where the values of one column come from; exactly one of ``from``, ``value`` and ``join`` is given.

    Attributes:
        from_: Column of the source (in the file: ``from``).
        value: The same text in every row.
        join: Columns of the source whose texts are joined; one missing part makes the whole missing.
        with_: What stands between the joined parts (in the file: ``with``).
        names: The source's word to the contract's word.
        others: What becomes of words not in ``names``: ``refuse``, ``keep``, or the word to take instead.
        format: How moments are written: patterns of strptime, tried in order, or one of ``NAMED_FORMATS``.
        at: Time of day at which a date without one is placed, up to ``24:00``, the end of the day.
        fold: Which of the two is meant when the clocks are put back and an hour comes twice.
        timezone: Zone of this column's moments, where it is not the source's.
        decimal: The decimal sign of numbers written for people: with currency signs and grouped thousands.
        times: Column of the source by which the number is multiplied.
    """

    from_: str | None = Field(default=None, alias="from", min_length=1)
    value: str | None = None
    join: tuple[str, ...] = ()
    with_: str = Field(default="-", alias="with")
    names: dict[str, str] = Field(default_factory=dict)
    others: str = "refuse"
    format: tuple[str, ...] = ()
    at: str | None = None
    fold: Literal["earlier", "later"] = "earlier"
    timezone: str | None = None
    decimal: Literal[".", ","] | None = None
    times: str | None = Field(default=None, min_length=1)

    _lists = field_validator("join", "format", mode="before")(as_tuple)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return {"from": written} if isinstance(written, str) else written

    @field_validator("at")
    @classmethod
    def _is_time_of_day(cls, at: str | None) -> str | None:
        if at is not None and not TIME_OF_DAY.match(at):
            raise ValueError("expected a time of day such as 12:00 or 23:59:59, or 24:00 for the day's end")
        return at

    @field_validator("format")
    @classmethod
    def _are_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [text for text in patterns if "%" not in text and text not in NAMED_FORMATS]
        if unknown:
            raise ValueError(
                f"expected patterns such as %d.%m.%Y or one of {', '.join(NAMED_FORMATS)}, found {unknown[0]!r}"
            )
        wrong = [
            found for text in patterns for found in re.findall("%-?.?", text) if not DIRECTIVE.match(found)
        ]
        if wrong:
            raise ValueError(f"the pattern {wrong[0]!r} means nothing; docs/sources.md lists those that do")
        return patterns

    @model_validator(mode="after")
    def _has_one_origin(self) -> "ColumnMapping":
        given = [name for name, value in self.origins.items() if value not in (None, ())]
        if len(given) != 1:
            raise ValueError(f"expected one of from, value and join, found {' and '.join(given) or 'none'}")
        day_only = [text for text in self.format if is_day_only(text)]
        if day_only and self.at is None:
            raise ValueError(
                f"{day_only[0]} has no time of day: say where in the day to place it, for example "
                'at: "23:59:59" (then nothing is known before it happened)'
            )
        return self

    @property
    def origins(self) -> dict[str, Any]:
        """The three ways to say where values come from."""
        return {"from": self.from_, "value": self.value, "join": self.join}

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns of the source that are read for this one."""
        return tuple(name for name in (self.from_, *self.join, self.times) if name)

    def keys_given(self, among: tuple[str, ...]) -> list[str]:
        """Which of ``among`` the file gives."""
        return [key for key in among if key in self.model_fields_set]


def is_day_only(pattern: str) -> bool:
    """Whether a strptime pattern names a day and no time of day."""
    return "%" in pattern and not re.search(r"%-?[HIcXTs]", pattern)
