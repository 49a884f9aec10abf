"""What every report of a training benchmark begins with."""

import os
import platform
import sys
from datetime import UTC, datetime
from typing import Any


def heading(benchmark: str, data: dict[str, Any]) -> dict[str, Any]:
    """Name, command, date, machine and data, in the common form of all benchmarks."""
    return {
        "benchmark": benchmark,
        "command": " ".join([f"python -m benchmarks.{benchmark}", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "data": data,
    }


def machine() -> str:
    """Where this runs."""
    # Here, so that a process which only starts others stays small.
    import keras
    import tensorflow as tf

    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; {versions}"
