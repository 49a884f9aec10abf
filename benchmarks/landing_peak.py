"""The `shoploop` command, and at its end its peak of memory in MiB on stderr: what `benchmarks.landing` starts."""

import atexit
import resource
import sys

from pipelines.cli import main

if __name__ == "__main__":
    # On Linux ru_maxrss is in KiB.
    atexit.register(
        lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
    )
    main()
