"""A shop's own source, declared in a YAML file: where it is and how its columns become the contracts'."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, field_validator, model_validator

from pipelines.contracts import REFERENCE
from pipelines.settings import environment_value
from pipelines.sources.column_mapping import ColumnMapping, Declared, as_tuple
from pipelines.sources.contract_check import contract_faults
from pipelines.sources.currencies import CURRENCIES
from pipelines.sources.errors import SourceError, masked, nearest
from pipelines.sources.published.presets import with_preset
from pipelines.sources.yaml_text import read_yaml

__all__ = ["CancelledOrders", "DataSetMapping", "Rules", "SourceDeclaration", "SourceError", "load_source"]

Kind = Literal["files", "database", "stream", "published"]
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class CancelledOrders(Declared):
    """How a cancelled order is known, and what becomes of its rows.

    Attributes:
        column: Column of the source.
        values: Its values that mean cancelled.
        prefix: Or what it begins with when cancelled.
        do: ``set_aside`` (kept apart, counted, not landed) or ``keep`` (like any other row).
    """

    column: str = Field(min_length=1)
    values: tuple[str, ...] = ()
    prefix: str | None = Field(default=None, min_length=1)
    do: Literal["set_aside", "keep"] = "set_aside"

    _list = field_validator("values", mode="before")(as_tuple)

    @model_validator(mode="after")
    def _has_one_sign(self) -> "CancelledOrders":
        if bool(self.values) == (self.prefix is not None):
            raise ValueError("expected either values or prefix: what the column holds when cancelled")
        return self


class Rules(Declared):
    """What is done about messy rows; where no rule is chosen the contract decides, which is quarantine.

    Attributes:
        cancelled_orders: Rows of cancelled orders.
        guests: Rows without a shopper.
        returns: Rows with a negative quantity.
        repeated_rows: Rows that share a key but differ.
    """

    cancelled_orders: CancelledOrders | None = None
    guests: Literal["set_aside", "give_each_basket_its_own_shopper"] | None = None
    returns: Literal["set_aside", "become_return_events"] | None = None
    repeated_rows: Literal["quarantine", "count_as_duplicates", "keep_last"] = "quarantine"


class DataSetMapping(Declared):
    """How one data set is read and brought to its contract.

    Attributes:
        from_: A glob below the location; of a database a table or a SELECT; of a stream a path. In the
            file the key is ``from``.
        read_as: Format of the files where their endings do not say it.
        encoding: Of text files; ``mixed`` is UTF-8 where a line is valid UTF-8 and cp1252 where it is not.
        delimiter: Between the cells of text files.
        column_names: Names of the columns of text files without a header.
        watermark: Column by which new rows of a database are found; it never falls.
        missing: Texts that mean that there is no value; empty text always does.
        where: Condition in SQL over the source's columns; rows that do not meet it are set aside.
        columns: How each column of the contract is made.
        rules: What is done about messy rows.
    """

    from_: str = Field(alias="from", min_length=1)
    read_as: Literal["csv", "jsonl", "parquet"] | None = None
    encoding: str = "utf-8"
    delimiter: str = Field(default=",", min_length=1)
    column_names: tuple[str, ...] = ()
    watermark: str | None = Field(default=None, min_length=1)
    missing: tuple[str, ...] = ()
    where: str | None = Field(default=None, min_length=1)
    columns: dict[str, ColumnMapping]
    rules: Rules = Rules()

    _lists = field_validator("column_names", "missing", mode="before")(as_tuple)

    @field_validator("rules", mode="before")
    @classmethod
    def _none_is_no_rule(cls, written: Any) -> Any:
        return written or {}

    @field_validator("delimiter")
    @classmethod
    def _tab(cls, written: str) -> str:
        return "\t" if written in ("tab", r"\t") else written

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            "".encode("utf-8" if encoding == "mixed" else encoding)
        except LookupError:
            raise ValueError(
                f"expected an encoding such as utf-8, latin-1, cp1252 or mixed, found {encoding!r}"
            ) from None
        return encoding

    @property
    def source_columns(self) -> list[str]:
        """The columns of the source that the mapping names, each once; those of ``where`` are not among them."""
        named = [name for column in self.columns.values() for name in column.source_columns]
        cancelled = self.rules.cancelled_orders
        return list(dict.fromkeys([*named, *([cancelled.column] if cancelled else [])]))

    @property
    def keep_last(self) -> bool:
        """Whether of rows with one key the last that a load sees is taken."""
        return self.rules.repeated_rows == "keep_last"

    @property
    def keep_first(self) -> bool:
        """Whether of rows with one key the first that a load sees is taken."""
        return self.rules.repeated_rows == "count_as_duplicates"


class SourceDeclaration(Declared):
    """A source.

    Attributes:
        name: As in ``shop.source`` of params.yaml and in the name of its file.
        kind: What is at the location.
        location: A folder relative to the checkout, ``s3://bucket/prefix``, an SQLAlchemy URL or an http(s) URL,
            as written; ``opened_location`` fills in variables of the environment.
        timezone: Of moments that carry no zone.
        currency: ISO 4217 code of every amount.
        complete_until: The data are complete up to and including this day; without it the last complete
            shop week is the one before the week of the newest event.
        data_sets: One mapping for each data set of the contracts that the source gives.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: Kind
    location: str = Field(repr=False, min_length=1)
    timezone: str
    currency: str
    complete_until: date | None = None
    data_sets: dict[str, DataSetMapping] = Field(default_factory=dict)

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(
                f"expected a time zone such as Europe/Berlin, found {name!r}{nearest(name, available_timezones())}"
            )
        return name

    @field_validator("currency")
    @classmethod
    def _is_currency(cls, code: str) -> str:
        if code not in CURRENCIES:
            raise ValueError(
                f"expected an ISO 4217 code such as EUR or USD, found {code!r}{nearest(code, CURRENCIES)}"
            )
        return code

    @model_validator(mode="after")
    def _keeps_contracts(self) -> "SourceDeclaration":
        if not self.data_sets and self.kind != "published":
            raise ValueError("data_sets: expected at least one data set, found none; map events first")
        faults = [fault for name, mapping in self.data_sets.items() for fault in self._faults(name, mapping)]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _faults(self, name: str, mapping: DataSetMapping) -> Iterator[str]:
        yield from contract_faults(name, mapping)
        if mapping.keep_last and name not in {contract.name for contract in REFERENCE}:
            yield (
                f"data_sets.{name}.rules.repeated_rows: keep_last is for data sets whose rows are replaced; "
                "choose count_as_duplicates or quarantine"
            )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @property
    def shown_location(self) -> str:
        """The location for messages: as written, no variable filled in, passwords struck out."""
        return masked(self.location)

    def opened_location(self, value_of: Callable[[str], str | None] = environment_value) -> str:
        """The location with every ``${NAME}`` filled in.

        Args:
            value_of: Gives a variable's value, None where it is not set.

        Raises:
            SourceError: A variable is not set.
        """

        def fill(found: re.Match[str]) -> str:
            value = value_of(found[1])
            if value is None:
                raise SourceError(
                    f"source {self.name}: location: the environment variable {found[1]} is not set; set it "
                    f"in the environment that runs shoploop (its value is never shown)"
                )
            return value

        return VARIABLE.sub(fill, self.location)


def load_source(path: Path) -> SourceDeclaration:
    """Read and check a source's file.

    Raises:
        SourceError: It cannot be read, or a key is unknown, missing or wrong; every fault is named.
    """
    source = _checked(path, _with_preset(path))
    if source.name != path.stem:
        raise SourceError(
            f"{path}: name: expected {path.stem!r}, as the file is called, found {source.name!r}; make them equal"
        )
    return source


def _with_preset(path: Path) -> dict[str, Any]:
    try:
        return with_preset(read_yaml(path))
    except SourceError as error:
        raise SourceError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def check_top(path: Path, top: Mapping[str, str]) -> SourceDeclaration:
    """A declaration whose data sets are not known yet, its other keys checked.

    Raises:
        SourceError: A key is wrong.
    """
    if top["kind"] not in get_args(Kind):
        raise SourceError(f"kind: expected one of {', '.join(get_args(Kind))}, found {top['kind']!r}")
    # Of published data sets an adapter knows the mapping: the one kind that may come without data sets.
    return _checked(path, {**top, "kind": "published"}).model_copy(update={"kind": top["kind"]})


def _checked(path: Path, written: Mapping[str, Any]) -> SourceDeclaration:
    try:
        return SourceDeclaration.model_validate(written)
    except ValidationError as error:
        faults = [fault for item in error.errors() for fault in _in_words(item["loc"], item)]
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise SourceError(f"{path}: correct these keys\n{listed}") from None


def _in_words(place: tuple[int | str, ...], fault: Any) -> list[str]:
    where = ".".join(map(str, place))
    if fault["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        listed = ", ".join(known)
        return [f"{where}: unknown key{nearest(str(place[-1]), known) or ';'} the keys here are: {listed}"]
    if fault["type"] == "missing":
        return [f"{where}: is missing; see docs/sources.md"]
    said = [line.removeprefix("Value error, ") for line in fault["msg"].split("\n")]
    return [f"{where}: {line}" if where else line for line in said]


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys that a place in the file may have."""
    model: type[Declared] = SourceDeclaration
    if "columns" in place[2:3]:
        model = ColumnMapping
    elif "rules" in place[2:3]:
        model = CancelledOrders if len(place) > 3 else Rules
    elif place[:1] == ("data_sets",):
        model = DataSetMapping
    return [field.alias or name for name, field in model.model_fields.items()]
