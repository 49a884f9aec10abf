"""All sabotages, by name."""

from benchmarks.gate_mutation.of_data import DATA
from benchmarks.gate_mutation.of_packaging import PACKAGING
from benchmarks.gate_mutation.of_training import TRAINING

SABOTAGES = {one.name: one for one in (*DATA, *TRAINING, *PACKAGING)}
