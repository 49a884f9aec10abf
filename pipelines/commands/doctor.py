"""`shoploop doctor`."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipelines.commands.console import say, say_json

SIGNS = {"ok": "ok     ", "warning": "WARNING", "blocks": "BLOCKS "}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document for scripts.")] = False,
) -> None:
    """Examine this machine and say what to do.

    It looks at Python, packages, disk, memory, ports, GPU and git. Exit code 1 if something blocks.
    """
    from pipelines.settings import settings
    from pipelines.stack.doctor import examine

    findings = examine(settings())
    blocked = any(finding.level == "blocks" for finding in findings)
    if as_json:
        say_json({"blocked": blocked, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            say(f"  {SIGNS[finding.level]}  {finding.subject:<14} {finding.found}")
            if finding.remedy:
                say(f"{'':27}-> {finding.remedy}")
        say("Something blocks: see above" if blocked else "Nothing blocks")
    raise typer.Exit(1 if blocked else 0)
