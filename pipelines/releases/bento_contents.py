"""What a Bento brings along beside the model: the licences of its libraries, and secrets that must not be in it."""

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from pipelines.tables import read_json

TEXT = (".cfg", ".env", ".ini", ".json", ".py", ".sql", ".toml", ".txt", ".yaml", ".yml", "")
SHORTEST_SECRET = 12
"""A known secret that is shorter would be found in files by chance."""
LONGEST_LICENCE = 60
"""A longer field holds the text of the licence, not its name."""
SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names that packages give their licence, and its identifier; BSD alone is taken for its text of three clauses."""
ANYWHERE = {
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "the id of an AWS key": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50})",
    "a Slack token": rb"\bxox[abprs]-[A-Za-z0-9]+-[A-Za-z0-9-]{10,}",
    "a signed web token": rb"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
}
IN_TEXT = {
    "a password in an address": rb"[a-z]://[^\s/:@{}<>$\"']+:[^\s/:@{}<>$\"']{3,}@",
    "a password that is written out": (
        rb"(?i)[\w.-]*(?:password|passwd|secret|api_?key|token)[\"']?\s*[:=]\s*[\"'][^\"'\s{}<>$]{8,}[\"']"
    ),
}


def read_licences(requirements: Path) -> dict[str, str]:
    """Licence of each library that a lock installs here, by the metadata of the installed one; empty for unknown.

    Several are joined by ``AND`` where the library does not say how they go together.

    Args:
        requirements: The lock: a line a library, options and hashes left out of account.
    """
    return {name: licence_of(name) for name in _locked(requirements.read_text())}


def licence_of(name: str) -> str:
    """Licence of an installed library as an SPDX expression where it can be told, empty where it is not installed."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    if "License-Expression" in said:
        return said["License-Expression"]
    classifiers = [line.split(" :: ") for line in said.get_all("Classifier") or []]
    named = [parts[-1] for parts in classifiers if parts[0] == "License" and parts[-1] != "OSI Approved"]
    field = said["License"].strip() if "License" in said else ""
    if not named and field and len(field) <= LONGEST_LICENCE and "\n" not in field:
        named = [field]
    return " AND ".join(dict.fromkeys(SPDX.get(licence, licence) for licence in named))


def _locked(text: str) -> list[str]:
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        said = line.split(" --hash")[0].split(" #")[0].strip()
        if not said or said.startswith(("#", "-")):
            continue
        try:
            wanted = Requirement(said)
        except InvalidRequirement:
            found.append(said)
            continue
        if wanted.marker is None or wanted.marker.evaluate():
            found.append(wanted.name)
    return found


def known_secrets(secrets_file: Path) -> dict[str, str]:
    """This installation's own secrets by name; none where none were made.

    Raises:
        StorageError: The file is no JSON.
    """
    kept = read_json(secrets_file) if secrets_file.is_file() else {}
    return {name: value for name, value in kept.items() if len(value) >= SHORTEST_SECRET}


def find_secrets(folder: Path, known: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each secret in a file of ``folder``; none of them repeats it.

    Args:
        folder: The Bento.
        known: Secrets of this installation, which must not be in there either.
    """
    return tuple(
        f"{path.relative_to(folder)}, line {line}: {what}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
        for line, what in _secrets_in(path, known)
    )


def _secrets_in(path: Path, known: Mapping[str, str]) -> list[tuple[int, str]]:
    content = path.read_bytes()
    patterns = ANYWHERE | (IN_TEXT if path.suffix in TEXT else {})
    patterns |= {f"{name} of this installation": re.escape(value.encode()) for name, value in known.items()}
    return [
        (content.count(b"\n", 0, found.start()) + 1, what)
        for what, pattern in patterns.items()
        if (found := re.search(pattern, content))
    ]
