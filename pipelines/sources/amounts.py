"""Numbers as SQL: plain ones, and amounts as people write them."""

from typing import Literal

from pipelines.sources.source_cells import quoted

PLAIN_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
SPACE = r"[\s\x{00A0}\x{2009}\x{202F}]*"
CURRENCY = rf"{SPACE}(?:[A-Z]{{0,3}}\p{{Sc}}|[A-Z]{{3}}|(?:kr|Kr|Fr|zł|Kč|Ft|lei)\.?)?{SPACE}"


def plain_number(text: str) -> str:
    """SQL: a number as programs write it; null for anything else, infinity included."""
    return f"a_number(trim({text}), {quoted(PLAIN_NUMBER)})"


def amount(text: str, decimal: Literal[".", ","]) -> str:
    """SQL: an amount with currency sign or code, grouped thousands, and minus, trailing minus or parentheses.

    Groups must be groups of three (or two, in India): `1.23` with a decimal comma is null, not 123.
    """
    return f"an_amount(replace({text}, '\u2212', '-'), {quoted(_shape(decimal))}, {quoted(decimal)})"


def _shape(decimal: str) -> str:
    point, other = (r"\.", ",") if decimal == "." else (",", r"\.")
    # Thousands are grouped by points or commas, spaces of any width, or apostrophes.
    group = rf"[{other}\s'\x{{2019}}\x{{00A0}}\x{{2009}}\x{{202F}}]"
    digits = rf"((?:\d+|\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}})?(?:{point}\d+)?)"
    return rf"^{SPACE}([-+(]?){CURRENCY}([-+]?){SPACE}{digits}{CURRENCY}([-)]?){CURRENCY}$"


MACROS = r"""
create macro finite(number) as case when isfinite(number) then number end;
create macro a_number(written, shape) as
    case when regexp_matches(written, shape) then finite(try_cast(written as double)) end;
create macro digits_of(written, shape, decimal) as
    replace(regexp_replace(regexp_extract(written, shape, 3), '[^0-9' || decimal || ']', '', 'g'), ',', '.');
create macro signs_of(written, shape) as
    regexp_extract(written, shape, 1) || regexp_extract(written, shape, 2) || regexp_extract(written, shape, 4);
create macro sign_of(signs) as case when signs in ('', '+') then 1 when signs in ('-', '()') then -1 end;
create macro an_amount(written, shape, decimal) as
    finite(try_cast(digits_of(written, shape, decimal) as double)) * sign_of(signs_of(written, shape));
"""
