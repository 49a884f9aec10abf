"""Text of a shop's files as UTF-8; what cannot be decoded is marked, so that its row can be told."""

import codecs
from collections.abc import Callable
from functools import partial

from pipelines.sources.readers.blocks import Bytes

# A noncharacter of Unicode, never in text: it stands where bytes could not be decoded.
MARK = "\ufdd0"
BOM = codecs.BOM_UTF8
UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

codecs.register_error("shoploop_mark", lambda error: (MARK, _end(error)))


def _end(error: UnicodeError) -> int:
    assert isinstance(error, UnicodeDecodeError)
    return error.end


class Transcoder:
    """Turns whole records of an encoding into UTF-8, with ``MARK`` for bytes that it does not know.

    Args:
        encoding: As Python calls it, or ``mixed``: UTF-8 where a line is valid, else Windows-1252, which is what
            two programs writing into one file leave.
    """

    def __init__(self, encoding: str) -> None:
        self._was_decoded = needs_decoding_first(encoding)
        name = "utf-8" if self._was_decoded or encoding == "mixed" else codecs.lookup(encoding).name
        self._is_right: Callable[[bytes], bool] = _is_utf8 if name == "utf-8" else bytes.isascii
        self._convert = _from_mixed if encoding == "mixed" else partial(_from, name)

    def __call__(self, data: bytes) -> tuple[bytes, bool]:
        """The records as UTF-8, and whether there may be marks among them."""
        if self._is_right(data):
            return data, self._was_decoded
        return self._convert(data), True


def needs_decoding_first(encoding: str) -> bool:
    """Whether a line end is not the byte of ASCII (UTF-16), so that bytes cannot be cut into lines."""
    return encoding != "mixed" and "\n,".encode(encoding) != b"\n,"


def _from(encoding: str, data: bytes) -> bytes:
    return data.decode(encoding, "shoploop_mark").encode()


def _from_mixed(data: bytes) -> bytes:
    lines = data.split(b"\n")
    return b"\n".join(line if _is_utf8(line) else _from("cp1252", line) for line in lines)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class Decoded:
    """A file as a stream of UTF-8.

    Args:
        stream: The file from its beginning.
        encoding: What it is written in.
    """

    def __init__(self, stream: Bytes, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("shoploop_mark")
        self._ready = b""

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end only."""
        while not self._ready and (data := self._stream.read(size)):
            self._ready = self._decoder.decode(data).encode()
        if not self._ready:
            self._ready = self._decoder.decode(b"", final=True).encode()
        given, self._ready = self._ready[:size], self._ready[size:]
        return given
