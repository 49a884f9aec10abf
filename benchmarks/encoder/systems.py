"""Three ways to run the trained network for one shopper, all asked for the twenty best places of the catalog."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from benchmarks.encoder.network import TOP, Arrays, Network, export, inputs, trained
from pipelines.ranking.catalog import Shopper
from pipelines.retrieval.sequence import SequenceScorer, ShopperTables, top_k

NUMPY, SAVED_MODEL, LITERT = "numpy", "saved_model", "litert"


@dataclass(frozen=True)
class Question:
    """One shopper, with the features that every system is given."""

    shopper: Shopper
    tables: ShopperTables
    tensors: Arrays

    @classmethod
    def of(cls, scorer: SequenceScorer, shopper: Shopper) -> "Question":
        """Of a shopper with at least one purchase."""
        tables = scorer.tables(shopper.item, shopper.age, shopper.basket)
        return cls(shopper, tables, inputs(scorer, shopper, tables))


System = Callable[[Question], np.ndarray]


@contextmanager
def systems(arrays: Arrays, scorer: SequenceScorer) -> Iterator[dict[str, System]]:
    """Those that are installed, by name; each gives the best places of the catalog, best first."""
    with TemporaryDirectory(prefix="shoploop-encoder-") as folder:
        export(Network(trained(arrays), scorer), Path(folder))
        loaded = tf.saved_model.load(folder)
        found = {NUMPY: _numpy(scorer), SAVED_MODEL: _saved_model(loaded)}
        lite = _litert(loaded)
        yield found | ({LITERT: lite} if lite else {})


def _numpy(scorer: SequenceScorer) -> System:
    def best(asked: Question) -> np.ndarray:
        shopper = asked.shopper
        return top_k(scorer.score(shopper.item, shopper.age, shopper.basket, asked.tables), TOP)

    return best


def _saved_model(loaded: Any) -> System:
    def best(asked: Question) -> np.ndarray:
        return loaded.best(asked.tensors)["places"].numpy()

    return best


def _litert(loaded: Any) -> System | None:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return None
    # With its variables the converted network answers nonsense: nothing sets them.
    frozen = convert_variables_to_constants_v2(loaded.signatures["serving_default"])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], loaded)
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    index = {_name(detail): detail["index"] for detail in interpreter.get_input_details()}
    (places,) = [one["index"] for one in interpreter.get_output_details() if one["dtype"] == np.int32]
    shapes: dict[str, tuple[int, ...]] = {}

    def best(asked: Question) -> np.ndarray:
        given = {name: value.shape for name, value in asked.tensors.items()}
        if given != shapes:
            for name, shape in given.items():
                interpreter.resize_tensor_input(index[name], shape)
            interpreter.allocate_tensors()
            shapes.update(given)
        for name, value in asked.tensors.items():
            interpreter.set_tensor(index[name], value)
        interpreter.invoke()
        return interpreter.get_tensor(places)

    return best


def _name(detail: dict[str, Any]) -> str:
    return str(detail["name"]).removeprefix("serving_default_").split(":")[0]
