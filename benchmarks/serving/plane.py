"""The data plane as a Bento starts it, with the model's work left out where it is asked for."""

import sys

from serving.__main__ import main

from benchmarks.serving.echo import leave_model_out_if_asked  # isort: skip  after serving, which sets threads

if __name__ == "__main__":
    leave_model_out_if_asked()
    sys.exit(main("benchmarks.serving.plane"))
