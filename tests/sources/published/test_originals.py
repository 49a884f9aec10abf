"""Published files in a folder: found, unpacked safely, laid out once."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import FileServer
from published_rows import H_AND_M, MOVIELENS, UCI, write_plain, write_zip

from pipelines.settings import settings
from pipelines.sources.declaration import SourceError, load_source
from pipelines.sources.published import presets
from pipelines.sources.readers import open_reader


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SHOPLOOP_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def pieces(
    checkout: Path, location: str, said: list[str] | None = None, **written: str
) -> list[tuple[str, str]]:
    """Names and fingerprints of the files of events."""
    path = checkout / "shop.yaml"
    lines = [f"{key}: {value}" for key, value in written.items()]
    path.write_text("\n".join([f"name: shop\nkind: published\nlocation: {location}", *lines]) + "\n")
    source = load_source(path)
    reader = open_reader(source, checkout, (said if said is not None else []).append)
    return [(piece.name, piece.fingerprint) for piece in reader.pieces(source.data_sets["events"])]


@pytest.mark.parametrize(
    "name", ["../data.csv", "/tmp/data.csv", "a/../../data.csv", "..\\data.csv", "C:\\data.csv"]
)
def test_archive__that_writes_outside_its_folder_is_refused(checkout: Path, name: str) -> None:
    write_zip(checkout / "given" / "online.zip", {name: UCI})
    with pytest.raises(SourceError, match=r"online\.zip: .*outside its folder"):
        pieces(checkout, "uci_online_retail:given")
    assert not (checkout / "home" / "published" / "ready").exists()


def test_archive__cut_short_is_named(checkout: Path) -> None:
    write_zip(checkout / "given" / "online.zip", {"data.csv": UCI})
    whole = (checkout / "given" / "online.zip").read_bytes()
    (checkout / "given" / "online.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"online\.zip: expected a ZIP archive, found: .*get it again"):
        pieces(checkout, "uci_online_retail:given")


def test_archive__whose_content_is_damaged_leaves_nothing_behind(checkout: Path) -> None:
    path = checkout / "given" / "online.zip"
    write_zip(path, {"data.csv": UCI})
    with zipfile.ZipFile(path) as archive:
        begins = archive.getinfo("data.csv").header_offset + 30 + len("data.csv")
    damaged = bytearray(path.read_bytes())
    damaged[begins + 50] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(SourceError, match=r"online\.zip: expected a ZIP archive"):
        pieces(checkout, "uci_online_retail:given")
    assert not (checkout / "home" / "published" / "ready" / "shop").exists()


def test_originals__that_are_missing_are_named_with_what_to_do(checkout: Path) -> None:
    write_plain(checkout / "given", {"articles.csv": "x", "customers.csv": "x"})
    with pytest.raises(SourceError) as caught:
        pieces(checkout, "h_and_m:given")
    said = str(caught.value)
    assert "source shop: H&M" in said
    assert f"expected transactions_train.csv or transactions_train.csv.gz in {checkout / 'given'}" in said
    assert "found articles.csv, customers.csv; Log in to Kaggle, accept the rules" in said


def test_originals__of_a_file_that_needs_an_account_may_lie_where_downloads_go(checkout: Path) -> None:
    write_plain(checkout / "home" / "published" / "h_and_m", H_AND_M)
    assert [name for name, _ in pieces(checkout, "h_and_m")] == ["events.parquet"]


def test_originals__of_two_names_are_not_guessed_from(checkout: Path) -> None:
    write_plain(checkout / "given", {"data.csv": UCI, "copy/Online Retail.csv": UCI})
    with pytest.raises(
        SourceError, match=r"expected one file of orders, found .*Online Retail\.csv.*data\.csv"
    ):
        pieces(checkout, "uci_online_retail:given")


def test_folder__of_another_format_is_explained(checkout: Path) -> None:
    write_plain(checkout / "given", {"ratings.csv": "userId\n1\n", "movies.csv": "a,b\n1,2\n"})
    with pytest.raises(SourceError, match=r"published files of movielens are not as expected: .*movieId"):
        pieces(checkout, "movielens:given")


def test_folder__is_laid_out_once_and_again_when_a_file_changes(checkout: Path) -> None:
    given = checkout / "given" / "ml.zip"
    write_zip(given, MOVIELENS)
    said: list[str] = []
    first = pieces(checkout, "movielens:given", said)
    assert said == [
        "MovieLens (GroupLens): unpacking ratings.csv",
        "MovieLens (GroupLens): unpacking movies.csv",
        "MovieLens (GroupLens): preparing; this reads everything once",
    ]
    said.clear()
    assert pieces(checkout, "movielens:given", said) == first
    assert said == []

    write_zip(given, MOVIELENS | {"ml-latest-small/ratings.csv": "userId,movieId,rating,timestamp\n"})
    assert pieces(checkout, "movielens:given", said) != first
    assert sorted(path.name for path in (checkout / "given").iterdir()) == ["ml.zip"], (
        "nothing is added there"
    )


def test_download__of_a_preset_goes_to_its_folder(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zip(checkout / "release.zip", MOVIELENS)
    server = FileServer((checkout / "release.zip").read_bytes())
    try:
        text = (presets.FOLDER / "movielens.yaml").read_text()
        changed = text.replace("https://files.grouplens.org", server.url)
        assert changed != text
        (checkout / "presets").mkdir()
        (checkout / "presets" / "movielens.yaml").write_text(changed)
        monkeypatch.setattr(presets, "FOLDER", checkout / "presets")

        assert [name for name, _ in pieces(checkout, "movielens")] == ["ratings/ratings.csv"]
        pieces(checkout, "movielens")
    finally:
        server.stop()
    assert server.asked == [None], "nothing is downloaded twice"
    home = checkout / "home" / "published" / "movielens" / "ml-latest-small"
    assert {path.name for path in home.iterdir()} == {"ml-latest-small.zip", "downloads.json"}


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("uci_online_retial", "did you mean uci_online_retail?; there are: amazon_reviews_2023,"),
        ("movielens/ml-25M", "unknown variant 'ml-25M' of movielens; did you mean ml-25m?"),
        ("instacart/large", "there are: none"),
        (":somewhere", "expected PRESET, PRESET/VARIANT or either with :FOLDER"),
    ],
)
def test_location__that_names_no_preset_is_refused(checkout: Path, location: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        pieces(checkout, f"'{location}'")
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{checkout / 'shop.yaml'}: location: ")


def test_source__may_say_otherwise_than_its_preset(checkout: Path) -> None:
    path = checkout / "shop.yaml"
    path.write_text(
        "name: shop\nkind: published\nlocation: movielens\ncurrency: USD\ndata_sets:\n"
        "  items:\n    from: movies/*\n    columns: {item_id: movieId, title: title,\n"
        '      department: {value: Films}, recommendable: {value: "true"}}\n'
    )
    source = load_source(path)
    assert (source.timezone, source.currency) == ("UTC", "USD")
    assert source.data_sets["items"].from_ == "movies/*"
    assert source.data_sets["events"].from_ == "ratings/*", "what it does not say is the preset's"
    write_zip(checkout / "home" / "published" / "movielens" / "ml-latest-small" / "ml.zip", MOVIELENS)
    assert [piece.name for piece in open_reader(source, checkout).pieces(source.data_sets["items"])] == [
        "movies/movies.csv"
    ]
