import os
import subprocess
import sys

import pytest

SCRIPT = (
    "import serving.__main__, numpy, threadpoolctl\n"
    "print({pool['num_threads'] for pool in threadpoolctl.threadpool_info() if pool['user_api'] == 'blas'})"
)
NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@pytest.mark.parametrize(("given", "threads"), [({}, "{1}"), ({"OPENBLAS_NUM_THREADS": "2"}, "{2}")])
def test_data_plane__multiplies_in_one_thread_unless_told_otherwise(
    given: dict[str, str], threads: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | given
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == threads
