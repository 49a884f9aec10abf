"""A shop of six items that lands, posts and asks: the real data plane in this process, with a neural part."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.actions.refresh_state import refresh_state
from pipelines.actions.replay_features import ReplayResult, replay_features
from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import schema
from pipelines.contracts.sifting import Sifted
from pipelines.features.shopper import CONTEXT_FEATURES, HISTORY_FEATURES
from pipelines.landing import Accepted, Batch, Landing
from pipelines.ranking.bundle import seal, write_arrays
from pipelines.releases.rehearsal import set_clock
from pipelines.settings import CHECKOUT, Settings
from pipelines.stages.blend_candidate import bundle_code
from pipelines.weeks import to_micros
from serving.clock import ServingClock
from serving.environment import Environment
from serving.plane import DataPlane
from tests.serving.tiny_bundle import IDS, SCENARIOS, write_tiny_bundle

START = datetime(2017, 10, 2, 4, tzinfo=UTC)
"""The shop's first moment; hours count from it."""
BLEND = [
    ("popularity", "share"),
    ("personal_frequency_decayed", "share"),
    ("due", "log"),
    ("sequence", "logit"),
]


def write_bundle(path: Path, **edits: tuple[str, str]) -> Path:
    """The tiny bundle with a neural part of random weights and the code of this checkout.

    Args:
        path: Its folder.
        edits: By the stem of a file of the code, what in it is replaced by what, before the bundle is sealed.
    """
    write_tiny_bundle(path)
    write_arrays(path / "sequence.npz", _sequence())
    for target, source in bundle_code(CHECKOUT).items():
        text = source.read_text()
        if target.stem in edits:
            old, new = edits[target.stem]
            assert text.count(old) == 1
            text = text.replace(old, new)
        (path / "code" / target).parent.mkdir(parents=True, exist_ok=True)
        (path / "code" / target).write_text(text)
    rows = [{"system": system, "scale": scale, "weight": 1.0} for system, scale in BLEND]
    seal(path, {"format": 1, "week": 44, **SCENARIOS, "blends": {"blend": rows}})
    return path


def _sequence() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    width, hidden, small, history, context = 4, 5, 3, len(HISTORY_FEATURES), len(CONTEXT_FEATURES)
    shapes = {
        "bias_in": (6, hidden), "bias_out": (hidden, 1), "item_project": (width, small),
        "type_project": (width, small), "context_in": (context, width), "query": (width, width),
        "keys": (width, width), "values": (width, width), "feed_in": (width, hidden), "feed_out": (hidden, width),
        "type_in": (history + context + small, hidden), "type_state": (hidden, small), "type_out": (small, 1),
        "copy_in": (history + small + 6 + context + small + 1, hidden), "copy_mid": (hidden, hidden),
        "copy_out": (hidden, 1),
    }  # fmt: skip
    arrays = {f"{name}/kernel": random.normal(size=shape) for name, shape in shapes.items()}
    arrays |= {f"{name}/bias": random.normal(size=shape[1]) for name, shape in shapes.items()}
    for block, size in (("statistics", 6), ("context", context), ("type", history), ("history", history)):
        arrays |= {f"{block}_shift": random.normal(size=size), f"{block}_scale": random.normal(size=size)}
    arrays |= {
        "item_embedding": random.normal(size=(6, width)), "type_embedding": random.normal(size=(2, width)),
        "item_bias": random.normal(size=(6, 1)), "item_statistics": random.normal(size=(6, 6)),
        "age_slope": random.normal(size=2), "time_weights": random.normal(size=(8, 2)),
        "copy_wide": random.normal(size=(history, 1)),
    }  # fmt: skip
    floats = {name: value.astype(np.float32) for name, value in arrays.items()}
    return floats | {"item_row": np.arange(6), "item_type": np.arange(6) % 2}


def purchase(
    event_id: str, item_id: str, hour: float, basket: str | None = None, user: str = "1"
) -> dict[str, Any]:
    """A purchase at an hour after START; what landed of it is known from that hour on."""
    moment = START + timedelta(hours=hour)
    return {
        "event_id": event_id, "event_type": "purchase", "user_id": user, "item_id": item_id, "basket_id": basket,
        "quantity": 1.0, "value": 2.0, "occurred_at": moment, "ingested_at": moment,
    }  # fmt: skip


class ServedShop:
    """Its landing store, its state, and a data plane that logs every request.

    Args:
        home: Its folder.
        bundle: What the data plane answers with.
        clock: Sets the hour at which the shop lives.
    """

    def __init__(self, home: Path, bundle: Path, clock: pytest.MonkeyPatch) -> None:
        self.settings, self.bundle, self.hour = Settings(home=home), bundle, 0.0
        self.landing = Landing(self.settings.landing)
        clock.setattr(ServingClock, "now", lambda _: to_micros(START + timedelta(hours=self.hour)))
        items = [{"item_id": item, "title": item, "recommendable": True} for item in (*IDS, "fuel")]
        items[-1]["recommendable"] = False
        self.land("items", items=items)
        self._plane: DataPlane | None = None

    def land(self, batch_id: str, posted_through: int | None = None, **tables: list[dict[str, Any]]) -> None:
        """Accept rows as a batch, without judging them."""
        batch = Batch(batch_id, "weeks", START.isoformat(), "a test", None, None, posted_through)
        self.landing.accept(Accepted(batch, {}), {name: _sifted(name, rows) for name, rows in tables.items()})

    def refresh(self) -> None:
        """Give the endpoint what has landed."""
        set_clock(self.settings.home, to_micros(START + timedelta(hours=self.hour)))
        refresh_state(self.settings)

    @property
    def plane(self) -> DataPlane:
        """The data plane, started when it is first needed."""
        if self._plane is None:
            self._plane = DataPlane(
                Environment(
                    state_file=self.settings.state_file,
                    bundle=self.bundle,
                    release_id="r-44-tiny",
                    served_features_share=1.0,
                )
            )
        return self._plane

    def post(self, *events: dict[str, Any]) -> None:
        """Post events as a client does."""
        rows = [
            {name: value for name, value in event.items() if name != "ingested_at" and value}
            for event in events
        ]
        body = json.dumps(rows, default=datetime.isoformat).encode()
        assert asyncio.run(self.plane.events(body, "posting")).accepted == len(events)

    def ask(self, request_id: str = "a", user: str = "1", k: int = 6) -> list[str]:
        """Ids of the items recommended to a shopper."""
        body = json.dumps({"user_id": user, "k": k}).encode()
        return [item.item_id for item in asyncio.run(self.plane.recommendations(body, request_id)).items]

    def close(self) -> None:
        """Write the log and let go of the files."""
        if self._plane is not None:
            self._plane.close()
            self._plane = None

    def replay(self) -> ReplayResult:
        """What the offline build makes of the log."""
        self.close()
        return replay_features(self.settings, [self.bundle])


def _sifted(name: str, rows: list[dict[str, Any]]) -> Sifted:
    wanted = schema(CONTRACTS[name])
    table = pa.Table.from_pylist(
        [{column: row.get(column) for column in wanted.names} for row in rows], wanted
    )
    others = {field: 0 for field in Sifted.__dataclass_fields__ if field not in ("accepted", "quarantined")}
    return Sifted(accepted=table, quarantined=pa.table({}), **others)  # type: ignore[arg-type]
