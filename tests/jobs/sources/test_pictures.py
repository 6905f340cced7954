"""Paths of pictures after an import."""

import zipfile
from pathlib import Path

import pyarrow as pa

from jobs.sources.folder import Folder, ZipFolder
from jobs.sources.pictures import locate


def posters(*paths: str | None) -> pa.RecordBatch:
    return pa.record_batch({"item_id": [str(n) for n in range(len(paths))], "poster": pa.array(paths, pa.string())})


def test_a_path_in_the_folder_becomes_absolute_and_all_others_stay(tmp_path: Path) -> None:
    others = ("/srv/1.png", "https://else.where/1.png", "s3://bucket/1.png", "../1.png", "a/../../1.png", None)
    result = locate(posters("posters/1.png", "1..2.png", *others), Folder(tmp_path))
    assert result["poster"].to_pylist() == [f"{tmp_path}/posters/1.png", f"{tmp_path}/1..2.png", *others]
    assert result["item_id"].to_pylist() == [str(n) for n in range(8)]


def test_rows_without_pictures_and_archives_stay_as_they_are(tmp_path: Path) -> None:
    plain = posters("1.png").select(["item_id"])
    assert locate(plain, Folder(tmp_path)) is plain
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("items.csv", "item_id,poster\n1,1.png\n")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        packed = posters("1.png")
        assert locate(packed, ZipFolder(tmp_path / "a.zip", archive)) is packed
