"""What is wrong with a source, in words that help and give no secret away."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
SECRET_PARAMETER = re.compile(r"(?i)\b(password|passwd|pwd|token|secret|key|signature)=[^&\s]+")


class SourceError(Exception):
    """A source cannot be used; the message names source, file, key or row and column, and the remedy."""


def masked(text: str) -> str:
    """``text`` with the passwords of its URLs and its secret parameters struck out."""
    return SECRET_PARAMETER.sub(r"\1=***", PASSWORD_IN_URL.sub(r"\1:***@", text))


def nearest(found: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` where one of ``known`` is close to ``found``, else nothing."""
    spellings = {name.lower(): name for name in known}
    close = get_close_matches(found.lower(), spellings, n=1, cutoff=0.6)
    return f"; did you mean {spellings[close[0]]}?" if close else ""
