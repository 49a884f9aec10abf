"""A shop that makes habits: each shopper buys the same things every other week, and now and then something new."""

import numpy as np

from pipelines.features.purchases import Purchases
from pipelines.retrieval.fitting.sequence_config import SequenceConfig

ITEMS, SHOPPERS, WEEKS = 60, 80, 14


def habits(seed: int = 0) -> Purchases:
    """Purchases of weeks 1 to 14 as known at the start of week 15."""
    random = np.random.default_rng(seed)
    rows = []
    for shopper in range(SHOPPERS):
        usual = random.choice(ITEMS, 6, replace=False)
        for week in range(1 + shopper % 2, WEEKS + 1, 2):
            basket = np.unique(np.append(usual[random.random(6) < 0.8], random.integers(ITEMS)))
            day = 7.0 * (week - WEEKS - 1) + random.integers(7) + 0.5
            rows += [(shopper, int(item), day, week) for item in basket]
    shopper, item, day, week = (np.array(column) for column in zip(*rows, strict=True))
    opens = np.concatenate([[True], (day[1:] != day[:-1]) | (shopper[1:] != shopper[:-1])])
    return Purchases(
        shopper=shopper.astype(np.int32),
        item=item.astype(np.int32),
        basket=(np.cumsum(opens) - 1).astype(np.int32),
        day=day,
        week=week.astype(np.int32),
        user_ids=np.array([f"u{n:02d}" for n in range(SHOPPERS)]),
        item_ids=np.array([f"i{n:02d}" for n in range(ITEMS)]),
        item_type=(np.arange(ITEMS) % 5).astype(np.int32),
        moment_week=WEEKS + 1,
        reach=np.zeros((WEEKS + 2, ITEMS), np.float32),
    )


SMALL = SequenceConfig(
    width=8,
    heads=2,
    hidden=8,
    small=4,
    dropout=0.1,
    minimum=3,
    target_weeks=8,
    epochs=6,
    batch=32,
    negatives=32,
    rate=0.01,
    decay=1e-5,
    repeat_weight=2.0,
    seed=7,
)
