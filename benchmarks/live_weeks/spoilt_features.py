"""An edit that spoils all learning: every item is taken for another one."""

LINES = "pipelines/features/basket_lines.sql"
KNOWN = "FROM known_events\n"
PERMUTED = """FROM (
    SELECT
        known.user_id, known.basket_id, known.occurred_us, known.week, known.quantity, known.value,
        known.event_type, shifted.other AS item_id
    FROM known_events AS known
    INNER JOIN (
        SELECT item_id, COALESCE(LAG(item_id, 7) OVER (ORDER BY item_id), MIN(item_id) OVER ()) AS other
        FROM items
    ) AS shifted ON known.item_id = shifted.item_id
) AS known_events
"""


def permuted(text: str) -> str:
    """The feature file that all learning rests on, spoilt.

    Raises:
        ValueError: It does not read its events any more as this edit expects.
    """
    if text.count(KNOWN) != 2:
        raise ValueError(f"{LINES} does not read {KNOWN.strip()!r} twice any more: spoil another file")
    return text.replace(KNOWN, PERMUTED)
