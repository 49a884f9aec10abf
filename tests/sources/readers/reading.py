"""Sources for the tests of readers, and what they give as plain rows."""

from pipelines.sources.declaration import SourceDeclaration
from pipelines.sources.readers import open_reader

COLUMNS = {
    "event_id": "id",
    "event_type": {"value": "purchase"},
    "user_id": "user",
    "item_id": "item",
    "basket_id": "id",
    "quantity": "n",
    "value": "price",
    "occurred_at": "at",
}


def source(location, kind="files", **data_set):
    """A declaration; what its columns are called is no matter to a reader."""
    data_set.setdefault("from", "*")
    return SourceDeclaration.model_validate(
        {
            "name": "my_shop",
            "kind": kind,
            "location": str(location),
            "timezone": "Europe/Berlin",
            "currency": "EUR",
            "data_sets": {"events": {"columns": COLUMNS, **data_set}},
        }
    )


def chunks(declared, checkout, rows=1000, after=None, reader=None):
    """All chunks of all pieces."""
    reader = reader or open_reader(declared, checkout)
    mapping = declared.data_sets["events"]
    return [chunk for piece in reader.pieces(mapping) for chunk in reader.read(mapping, piece, after, rows)]


def rows_of(found):
    """Rows of chunks, without columns that are null."""
    return [
        {name: value for name, value in row.items() if value is not None}
        for chunk in found
        for row in chunk.table.to_pylist()
    ]


def read_text(folder, content, name="orders.csv", rows=1000, **data_set):
    """Chunks of one file with this content."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return chunks(source(folder, **data_set), folder, rows)
