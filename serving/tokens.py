"""Who may do what is not open to all: a token that this process was told to ask for."""

import hmac

from serving.schemas import RefusalError


def check_token(given: bytes, token: str, variable: str) -> None:
    """Let nobody through who does not have the token; in a time that tells nothing of it.

    Args:
        given: The header ``authorization``.
        token: What this process was told to ask for; empty where nobody is let through.
        variable: Of the environment, that it is told by.

    Raises:
        RefusalError: 403 where nobody is let through, 401 without the right token.
    """
    if not token:
        raise RefusalError(403, "closed", f"Nobody may do this here; start with {variable}")
    if not hmac.compare_digest(given, b"Bearer " + token.encode()):
        raise RefusalError(401, "unauthorized", "Expected the header `Authorization: Bearer <token>`")
