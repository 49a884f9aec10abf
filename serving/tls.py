"""TLS by two files: a certificate (its chain after it) and its key, both PEM."""

import ssl
from pathlib import Path

REMEDY = (
    "set SHOPLOOP_TLS_CERT and SHOPLOOP_TLS_KEY to a certificate (its chain after it) and its key, both PEM"
)


class TlsError(ValueError):
    """A file cannot be used; the message names it."""


def require_pair(certificate: Path | None, key: Path | None) -> None:
    """See to it that a server can use what it was given: both files, or none.

    Raises:
        TlsError: It cannot; the message says which file, and why.
    """
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        missing = "SHOPLOOP_TLS_KEY" if key is None else "SHOPLOOP_TLS_CERT"
        raise TlsError(f"{missing} is not set, the other of the two is; {REMEDY}")
    for name, file in (("SHOPLOOP_TLS_CERT", certificate), ("SHOPLOOP_TLS_KEY", key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise TlsError(f"{name}: {file}: cannot be read ({error.strerror}); {REMEDY}") from error
    trusting(certificate)
    try:
        # The empty password keeps OpenSSL from asking for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        why = (
            f"is not the key of {certificate}"
            if error.reason == "KEY_VALUES_MISMATCH"
            else "holds no private key as PEM without a password"
        )
        raise TlsError(f"SHOPLOOP_TLS_KEY: {key}: {why}; {REMEDY}") from error


def trusting(certificate: Path) -> ssl.SSLContext:
    """For this machine's own questions: trust exactly the server that has the certificate, by whatever address.

    Raises:
        TlsError: The file holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(certificate)
    except (ssl.SSLError, OSError) as error:
        raise TlsError(f"SHOPLOOP_TLS_CERT: {certificate}: holds no certificate as PEM; {REMEDY}") from error
    return context
