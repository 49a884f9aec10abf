"""Two workers, and two devices of one process, learn what one process with as many parts learns."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.retrieval.neural.replicas import DistributionError, find_replicas
from tests.retrieval.neural.train_as_worker import ASKED, fit, scores_of_one_row

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("train_as_worker.py")


def start(out: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(out)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_ports(count: int) -> list[int]:
    bound = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in bound]
    for server in bound:
        server.close()
    return ports


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, np.ndarray]:
    """One process with two parts: scores and losses."""
    checkpoint = tmp_path_factory.mktemp("alone") / "whole.npz"
    return fit(checkpoint, accumulate=2), losses(checkpoint)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Two workers: where they wrote, and what they said."""
    out = tmp_path_factory.mktemp("together")
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    workers = [
        start(out, TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}))
        for index in range(2)
    ]
    try:
        told = [worker.communicate() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 9], told
    return out, [said for said, _ in told]


def losses(checkpoint: Path) -> np.ndarray:
    with np.load(checkpoint) as kept:
        return np.array(kept["losses"])


def test_fit__by_two_workers_equals_one_process(alone: Any, together: Any) -> None:
    out, said = together
    assert [words.splitlines()[0] for words in said] == [
        "2 replicas, of them [0]",
        "2 replicas, of them [1]",
    ]
    fitted, curve = alone
    np.testing.assert_allclose(losses(out / "whole.npz"), curve, rtol=1e-5)
    assert curve[2] < curve[0]
    first, second = (np.load(out / f"worker_{worker}.npz") for worker in range(2))
    np.testing.assert_array_equal(first["scores"], second["scores"])
    np.testing.assert_allclose(first["scores"], fitted.score(ASKED), rtol=1e-3, atol=1e-4)
    assert [int(first["epochs"]), int(second["epochs"])] == [2, 2]  # as the chief judged


def test_fit__on_two_devices_in_two_parts_each_equals_one_in_four(tmp_path: Path) -> None:
    process = start(tmp_path)
    said, wrong = process.communicate()
    assert process.returncode == 0, wrong
    assert said.startswith("2 replicas, of them [0, 1]")
    fitted = fit(tmp_path / "alone.npz", accumulate=4)
    np.testing.assert_allclose(losses(tmp_path / "whole.npz"), losses(tmp_path / "alone.npz"), rtol=1e-5)
    with np.load(tmp_path / "worker_0.npz") as found:
        np.testing.assert_allclose(found["scores"], fitted.score(ASKED), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        np.load(tmp_path / "of_one_row.npy"), scores_of_one_row(), rtol=1e-3, atol=1e-4
    )


def test_fit__left_by_a_worker_ends_and_is_resumed_by_one_process(alone: Any, together: Any) -> None:
    out, said = together
    assert "another worker is gone: start all of them again" in said[0]
    assert len(losses(out / "left.npz")) == 1
    resumed = fit(out / "left.npz", accumulate=2, done=1)
    np.testing.assert_allclose(losses(out / "left.npz"), alone[1], rtol=1e-5)
    np.testing.assert_allclose(resumed.score(ASKED), alone[0].score(ASKED), rtol=1e-3, atol=1e-4)


def test_fit__refuses_workers_that_were_given_something_else(together: Any) -> None:
    for said in together[1]:
        assert "worker 1 was given another config, seed or data than worker 0" in said


def test_find_replicas__says_that_tensorflow_was_used_before(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    task = {"cluster": {"worker": [f"127.0.0.1:{port}"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    import tensorflow as tf

    tf.zeros([1])
    with pytest.raises(DistributionError, match=r"call fit, or find_replicas .* before any other work"):
        find_replicas.__wrapped__()
