"""A mapping in words, for people who check it."""

from pipelines.sources.column_mapping import ColumnMapping

SHOWN_NAMES = 3


def made_from(column: ColumnMapping) -> str:
    """How a column is made, for example ``total, decimal ","``."""
    if column.value is not None:
        return f"always {column.value}"
    made = f" {column.with_} ".join(column.join) if column.join else str(column.from_)
    return ", ".join([made, *_details(column)])


def _details(column: ColumnMapping) -> list[str]:
    details = []
    if column.times:
        details.append(f"times {column.times}")
    if column.decimal:
        details.append(f'decimal "{column.decimal}"')
    if column.format:
        details.append(f"as {' or '.join(column.format)}")
    if column.at:
        details.append(f"days at {column.at}")
    if column.timezone:
        details.append(f"in {column.timezone}")
    if column.names:
        shown = [f"{word}: {name}" for word, name in list(column.names.items())[:SHOWN_NAMES]]
        details.append(f"{{{', '.join(shown + ['…'] * (len(column.names) > SHOWN_NAMES))}}}")
    return details
