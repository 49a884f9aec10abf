"""The trained network as TensorFlow serves it: one function from a shopper's features to the twenty best items."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.features.shopper import CONTEXT_FEATURES, HISTORY_FEATURES
from pipelines.params import load_params
from pipelines.ranking.catalog import Shopper
from pipelines.retrieval.fitting.sequence_config import SequenceConfig
from pipelines.retrieval.fitting.sequence_model import SequenceModel
from pipelines.retrieval.sequence import MAX_BASKETS, SequenceScorer, ShopperTables
from pipelines.settings import CHECKOUT

TOP = 20
MATRICES = ("item_embedding", "item_bias", "type_embedding", "age_slope", "time_weights", "copy_wide")
OWN_NAMES = {"keys": "keys_", "values": "values_"}
_H, _C = len(HISTORY_FEATURES), len(CONTEXT_FEATURES)
SIGNATURE = {
    "bag_item": tf.TensorSpec([None], tf.int32, "bag_item"),
    "bag_slot": tf.TensorSpec([None], tf.int32, "bag_slot"),
    "bag_age": tf.TensorSpec([1, MAX_BASKETS], tf.float32, "bag_age"),
    "bag_present": tf.TensorSpec([1, MAX_BASKETS], tf.float32, "bag_present"),
    "context": tf.TensorSpec([1, _C], tf.float32, "context"),
    "type_id": tf.TensorSpec([None], tf.int32, "type_id"),
    "type_features": tf.TensorSpec([None, _H], tf.float32, "type_features"),
    "history_item": tf.TensorSpec([None], tf.int32, "history_item"),
    "history_place": tf.TensorSpec([None], tf.int32, "history_place"),
    "history_type_row": tf.TensorSpec([None], tf.int32, "history_type_row"),
    "history_features": tf.TensorSpec([None, _H], tf.float32, "history_features"),
}

Arrays = dict[str, np.ndarray]


def trained(arrays: Arrays) -> SequenceModel:
    """The Keras model with the weights that ``train_sequence`` saved."""
    config = replace(
        SequenceConfig.of(load_params(CHECKOUT / "params.yaml").train_sequence),
        width=arrays["item_embedding"].shape[1],
        heads=len(arrays["age_slope"]),
        hidden=arrays["copy_in/kernel"].shape[1],
        small=arrays["type_out/kernel"].shape[0],
    )
    scaling = {name: value for name, value in arrays.items() if name.endswith(("_shift", "_scale"))}
    rows, types = len(arrays["item_embedding"]), len(arrays["type_embedding"])
    model = SequenceModel(config, rows, types, scaling)
    for name in MATRICES:
        getattr(model, name).assign(arrays[name])
    for name in (name.removesuffix("/kernel") for name in arrays if name.endswith("/kernel")):
        layer, kernel = getattr(model, OWN_NAMES.get(name, name)), arrays[f"{name}/kernel"]
        layer.build((None, len(kernel)))
        layer.kernel.assign(kernel)
        layer.bias.assign(arrays[f"{name}/bias"])
    return model


class Network(tf.Module):
    """What the NumPy scorer does, in the layers that were trained; what depends on no shopper is worked out before."""

    def __init__(self, model: SequenceModel, scorer: SequenceScorer) -> None:
        super().__init__()
        self._model = model
        self._table, self._bias = tf.constant(scorer.table), tf.constant(scorer.bias)
        self._catalog, self._catalog_bias = tf.constant(scorer.catalog), tf.constant(scorer.catalog_bias)
        self._catalog_type = tf.constant(scorer.catalog_type, tf.int32)
        statistics = model._scaled("statistics", tf.constant(scorer.a["item_statistics"]))
        self._copy_item = tf.constant(tf.concat([model.item_project(self._table), statistics], -1))
        self._type_small = tf.constant(model.type_project(model.type_embedding))
        self._types = scorer.types

    @tf.function(input_signature=[SIGNATURE])
    def best(self, given: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The best places of the catalog and their scores."""
        model = self._model
        context = model._scaled("context", given["context"])
        user = model.encode(given, self._table, context, False)[0]
        kinds = tf.repeat(context, tf.shape(given["type_id"])[0], axis=0)
        small = tf.gather(self._type_small, given["type_id"])
        parts = [model._scaled("type", given["type_features"]), kinds, small]
        state = model.type_state(model.type_in(tf.concat(parts, -1)))
        type_score = model.type_out(state)[:, 0]
        by_type = tf.scatter_nd(given["type_id"][:, None], type_score, [self._types])
        scores = tf.linalg.matvec(self._catalog, user) + self._catalog_bias
        scores += tf.gather(by_type, self._catalog_type)
        bought = self._copied(given, context, user, state) + tf.gather(type_score, given["history_type_row"])
        scores = tf.tensor_scatter_nd_update(scores, given["history_place"][:, None], bought)
        top = tf.math.top_k(scores, TOP)
        return {"places": top.indices, "scores": top.values}

    def _copied(
        self, given: dict[str, tf.Tensor], context: tf.Tensor, user: tf.Tensor, state: tf.Tensor
    ) -> tf.Tensor:
        model, item = self._model, given["history_item"]
        match = tf.linalg.matvec(tf.gather(self._table, item), user) + tf.gather(self._bias, item)
        scaled = model._scaled("history", given["history_features"])
        parts = [
            scaled,
            tf.gather(self._copy_item, item),
            tf.repeat(context, tf.shape(item)[0], axis=0),
            tf.gather(state, given["history_type_row"]),
            match[:, None],
        ]
        deep = model.copy_out(model.copy_mid(model.copy_in(tf.concat(parts, -1))))
        return (deep + tf.matmul(scaled, model.copy_wide))[:, 0]


def inputs(scorer: SequenceScorer, shopper: Shopper, tables: ShopperTables) -> Arrays:
    """A shopper's features in the form that the function takes."""
    rank, items, types = tables.rank, tables.items, tables.types
    latest = rank < MAX_BASKETS
    age, present = np.zeros((2, 1, MAX_BASKETS), np.float32)
    age[0, rank[latest]], present[0, rank[latest]] = shopper.age[latest], 1.0
    type_row = np.empty(len(items.key), np.int32)
    type_row[items.row_of_event] = types.row_of_event
    place = scorer.position[items.key]
    kept = place >= 0
    return {
        "bag_item": shopper.item[latest].astype(np.int32),
        "bag_slot": rank[latest].astype(np.int32),
        "bag_age": age,
        "bag_present": present,
        "context": tables.context.astype(np.float32),
        "type_id": types.key.astype(np.int32),
        "type_features": types.features.astype(np.float32),
        "history_item": items.key[kept].astype(np.int32),
        "history_place": place[kept].astype(np.int32),
        "history_type_row": type_row[kept],
        "history_features": items.features[kept].astype(np.float32),
    }


def export(network: Network, folder: Path) -> None:
    """Write it as a SavedModel."""
    tf.saved_model.save(network, str(folder), signatures=network.best)
