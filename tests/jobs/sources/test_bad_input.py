"""What is wrong with a file, for every source: exit code 2, a message that names the file, nothing half imported."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from jobs import cli


class Source(NamedTuple):
    """A good file of a format, between whose fields stands `delimiter`, and the rest of its command line."""

    format: str
    file: str
    text: str
    delimiter: str
    domain: str
    options: str = ""

    @property
    def content(self) -> bytes:
        if self.format != "parquet":
            return self.text.encode()
        packed = io.BytesIO()
        pq.write_table(pa.table({"item_id": ["1"] * 1000, "title": ["t"] * 1000}), packed)
        return packed.getvalue()


SOURCES = [
    Source("movielens", "ratings.csv", "userId,movieId,rating,timestamp\n1,31,4.5,964982703\n", ",", "movies"),
    Source("movielens", "ratings.dat", "1::1193::5::978300760\n", "::", "movies"),
    Source("movielens", "u.data", "196\t242\t3\t881250949\n", "\t", "movies"),
    Source("lastfm", "user_artists.dat", "userID\tartistID\tweight\n2\t51\t13883\n", "\t", "music"),
    Source("steam", "game_play.dat", "User_ID\tGame_ID\tHours\n1\t1\t273.0\n", "\t", "games"),
    Source("imdb", "a.jsonl", '{"split":"a","label":"pos","rating":9,"imdb_id":"tt1","text":"x"}\n', '"', "movies"),
    Source("csv", "a.csv", "user_id,item_id,value\nu,i,4\n", ",", "movies", "--table interactions --kind rating"),
    Source("jsonl", "items.jsonl", '{"item_id":"i","title":"t"}\n', '"', "movies"),
    Source("parquet", "items.parquet", "", "", "movies"),
]
TEXTS = [source for source in SOURCES if source.format != "parquet"]
Refused = Callable[..., None]


def every(sources: list[Source]) -> Any:
    return pytest.mark.parametrize("source", sources, ids=[f"{source.format}-{source.file}" for source in sources])


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Imports a path and checks that it is refused with the words expected, and that nothing is left of it."""
    monkeypatch.setenv("ENCORE_LANDING", str(tmp_path / "landing"))

    def check(source: Source, path: Path, *words: str) -> None:
        command = ["import", source.format, str(path), "--domain", source.domain, "--ds", "2018-09-24"]
        assert cli.main([*command, *source.options.split()]) == 2
        message = capsys.readouterr().err
        assert len(message.splitlines()) == 1, message
        for word in words:
            assert word in message, message
        assert [path for path in (tmp_path / "landing").rglob("*") if path.is_file()] == []

    return check


@every(SOURCES)
def test_the_good_file_is_imported(
    source: Source, folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCORE_LANDING", str(tmp_path / "landing"))
    command = ["import", source.format, str(folder({source.file: source.content})), "--domain", source.domain]
    assert cli.main([*command, "--ds", "2018-09-24", *source.options.split()]) == 0
    assert len(list((tmp_path / "landing").rglob("batch.json"))) == 1


@every(SOURCES)
def test_missing(source: Source, folder: Any, tmp_path: Path, refused: Refused) -> None:
    refused(source, folder({"notes.txt": "x"}), "files", "notes.txt")
    refused(source, tmp_path / source.file, source.file, "there is no such file or folder")


@every(SOURCES)
def test_empty(source: Source, folder: Any, refused: Refused) -> None:
    refused(source, folder({source.file: b""}), source.file, "" if source.format == "parquet" else "empty")


@every(TEXTS)
def test_missing_column(source: Source, folder: Any, refused: Refused) -> None:
    if source.delimiter == '"':
        text = source.text.replace("item_id", "other").replace("imdb_id", "other")
    else:
        text = "\n".join(line.split(source.delimiter, 1)[-1] for line in source.text.splitlines())
    refused(source, folder({source.file: text}), source.file, "column")


@every([source for source in TEXTS if source.delimiter != '"'])
def test_wrong_delimiter(source: Source, folder: Any, refused: Refused) -> None:
    for other in (";", "\t") if source.delimiter != "\t" else (";", ","):
        text = source.text.replace(source.delimiter, other)
        refused(source, folder({source.file: text}), source.file, "wrong delimiter", repr(other), "Convert")


@every(TEXTS)
def test_wrong_encoding(source: Source, folder: Any, refused: Refused) -> None:
    content = source.text.encode() + b"caf\xe9\n"
    refused(source, folder({source.file: content}), source.file, "byte 4", "0xe9", "--encoding")
    refused(source, folder({source.file: source.text.encode("utf-16-le")}), source.file, "line 1", "zero")


@every(SOURCES)
def test_not_of_the_format_at_all(source: Source, folder: Any, refused: Refused) -> None:
    refused(source, folder({source.file: bytes(range(256)) * 100}), source.file)


@every(SOURCES)
def test_truncated(source: Source, folder: Any, tmp_path: Path, refused: Refused) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(source.file, source.content * 100)
    whole = (tmp_path / "all.zip").read_bytes()
    (tmp_path / "all.zip").write_bytes(whole[: len(whole) // 2])
    refused(source, tmp_path / "all.zip", "all.zip", "truncated or damaged")
    if source.format == "parquet":
        refused(source, folder({source.file: source.content[:-20]}), source.file, "truncated or damaged")


@every([source for source in TEXTS if source.file.endswith((".csv", ".jsonl")) and source.format != "movielens"])
def test_truncated_gz(source: Source, folder: Any, refused: Refused) -> None:
    place = folder({})
    (place / f"{source.file}.gz").write_bytes(gzip.compress(source.content * 100)[:-20])
    refused(source, place, f"{source.file}.gz", "truncated or damaged")


@every(SOURCES)
def test_zip_bomb(source: Source, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.sources.folder.SMALL", 1 << 20)
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(source.file, source.content + b"1" * (4 << 20))
    refused(source, tmp_path / "all.zip", source.file, "zip bomb")


@every(SOURCES)
def test_outside_of_the_folder(source: Source, folder: Any, tmp_path: Path, refused: Refused) -> None:
    place = folder({})
    (tmp_path / "secret").write_bytes(source.content)
    (place / source.file).symlink_to(tmp_path / "secret")
    refused(source, place, source.file, "outside")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(f"../{source.file}", source.content)
    refused(source, tmp_path / "all.zip", source.file, "outside")


@every(TEXTS)
def test_one_endless_line(source: Source, folder: Any, refused: Refused) -> None:
    place = folder({})
    with (place / source.file).open("wb") as file:
        file.truncate(32 << 20)
    refused(source, place, source.file, "line 1", "longer than")
