"""Every retriever of the room is offered by its name."""

from pathlib import Path

import pipelines.retrieval.collaborative as room

NOT_MODELS = {"__init__", "matrices", "linear_systems", "spectrum"}


def test_collaborative__holds_one_model_a_file_by_its_name() -> None:
    files = {file.stem for file in Path(room.__file__).parent.glob("*.py")} - NOT_MODELS
    assert set(room.COLLABORATIVE) == files
    assert all(make().name == name for name, make in room.COLLABORATIVE.items())
