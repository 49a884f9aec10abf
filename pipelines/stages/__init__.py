"""The nodes of ``dvc.yaml``: each reads files, writes files, and touches nothing else."""

import os

# Before NumPy is imported: the order of a sum depends on the number of threads, and so would the outputs' hashes.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
