"""Numbers as SQL: plain ones, and amounts as people write them."""

from typing import Literal

from pipelines.sources.source_cells import quoted

PLAIN_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
SPACE = r"[\s\x{00A0}\x{2009}\x{202F}]*"
CURRENCY = rf"{SPACE}(?:[A-Z]{{0,3}}\p{{Sc}}|[A-Z]{{3}}|(?:kr|Kr|Fr|zł|Kč|Ft|lei)\.?)?{SPACE}"


GROUPING = " \t'\u2019\u00a0\u2009\u202f"
SIMPLE = {".": r"^-?\d+(\.\d+)?$", ",": r"^-?\d+(,\d+)?$"}


def plain_number(text: str) -> str:
    """SQL: a number as programs write it; null for anything else, infinity included."""
    return f"a_number(trim({text}), {quoted(PLAIN_NUMBER)})"


def amount_parts(text: str, decimal: Literal[".", ","]) -> str:
    """SQL: an amount as people write it, taken apart; null where it is a bare number or missing.

    It may have a currency sign or code, grouped thousands, and a minus, a trailing minus or parentheses. Groups
    must be groups of three (or two, in India): `1.23` with a decimal comma is no amount, rather than 123.
    """
    written = f"replace({text}, '\u2212', '-')"
    parts = f"regexp_extract({written}, {quoted(_shape(decimal))}, ['before', 'inner', 'digits', 'after'])"
    return f"case when not regexp_matches({text}, {quoted(SIMPLE[decimal])}) then {parts} end"


def amount(text: str, parts: str, decimal: Literal[".", ","]) -> str:
    """SQL: the number that ``amount_parts`` took apart; null for anything that is no amount."""
    grouping = (",." if decimal == "," else ".,") + GROUPING
    number = f"case when {parts} is null then {text} else {parts}.digits end"
    return (
        f"a_cleaned({number}, {quoted(grouping)}) * case when {parts} is null then 1 else a_sign({parts}) end"
    )


def _shape(decimal: str) -> str:
    point, other = (r"\.", ",") if decimal == "." else (",", r"\.")
    # Thousands are grouped by points or commas, spaces of any width, or apostrophes.
    group = rf"[{other}\s'\x{{2019}}\x{{00A0}}\x{{2009}}\x{{202F}}]"
    digits = rf"((?:\d+|\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}})?(?:{point}\d+)?)"
    return rf"^{SPACE}([-+(]?){CURRENCY}([-+]?){SPACE}{digits}{CURRENCY}([-)]?){CURRENCY}$"


MACROS = """
create macro finite(number) as case when isfinite(number) then number end;
create macro a_number(written, shape) as
    case when regexp_matches(written, shape) then finite(try_cast(written as double)) end;
create macro a_cleaned(digits, grouping) as finite(try_cast(translate(digits, grouping, '.') as double));
create macro a_sign(parts) as case parts.before || parts.inner || parts.after
    when '' then 1 when '+' then 1 when '-' then -1 when '()' then -1 end;
"""
