"""Folders, zip archives and packed files: nothing from outside, nothing damaged, nothing that explodes."""

import gzip
import hashlib
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import InputError
from jobs.sources.folder import open_folder


def content(path: Path, name: str) -> bytes:
    with open_folder(path) as folder, folder.open(name) as stream:
        return b"".join(iter(stream.read, b""))


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_folder_a_file_and_an_archive_give_the_same(folder: Any, tmp_path: Path) -> None:
    place = folder({"a.csv": "one\n"})
    archive = zipped(tmp_path / "f.zip", {"top/a.csv": b"one\n", "top/b.csv": b"two\n"})
    for path in (place, place / "a.csv", archive):
        assert content(path, "a.csv") == b"one\n"
        with open_folder(path) as opened:
            assert opened.checksum("a.csv") == hashlib.sha256(b"one\n").hexdigest()
            assert opened.size("a.csv") == 4
    with open_folder(archive) as opened:
        assert opened.names == ("a.csv", "b.csv")


def test_gz_is_unpacked_and_counted_as_it_is_stored(folder: Any) -> None:
    place = folder({"a.csv.gz": "one\n" * 1000})
    assert content(place, "a.csv.gz") == b"one\n" * 1000
    with open_folder(place) as opened, opened.open("a.csv.gz") as stream:
        list(iter(stream.read, b""))
        assert stream.position == opened.size("a.csv.gz") == (place / "a.csv.gz").stat().st_size


def test_a_link_may_not_leave_the_folder(folder: Any, tmp_path: Path) -> None:
    place = folder({"a.csv": "one\n"})
    (tmp_path / "secret").write_text("s")
    (place / "out.csv").symlink_to(tmp_path / "secret")
    (place / "in.csv").symlink_to("a.csv")
    (place / "lost.csv").symlink_to("nowhere")
    (place / "loop.csv").symlink_to("loop.csv")
    assert content(place, "in.csv") == b"one\n"
    with pytest.raises(InputError, match=r"out\.csv: leads outside of the imported folder"):
        content(place, "out.csv")
    for name in ("lost.csv", "loop.csv"):
        with pytest.raises(InputError, match=f"{name}: there is no such file"):
            content(place, name)
        with pytest.raises(InputError, match=f"{name}: there is no such file"):
            content(place / name, name)
    assert content(place / "out.csv", "out.csv") == b"s"  # the user named it


def test_an_archive_may_not_leave_its_folder(tmp_path: Path) -> None:
    for member in ("../a.csv", "/a.csv", "x/../../a.csv", "..\\a.csv"):
        archive = zipped(tmp_path / "f.zip", {member: b"one\n"})
        with pytest.raises(InputError, match="leads outside of its folder"), open_folder(archive):
            pass


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a.csv", "a.csv"), ("d/a.csv", "d\\a.csv"), ("b.csv", "./d/a.csv", "d//a.csv")])
def test_an_archive_with_two_members_of_one_name_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "one\n")
    with pytest.raises(InputError, match=r"f\.zip/.*a\.csv: the archive has 2 members of this name; unpack it"):
        open_folder(tmp_path / "f.zip").__enter__()


def test_a_name_that_is_not_utf_8_is_refused_where_it_is_read(folder: Any) -> None:
    place = folder({"a.csv": "one\n"})
    odd = os.fsdecode(b"caf\xe9")
    (place / odd).mkdir()
    (place / odd / "a.csv").write_text("one\n")
    (place / f"{odd}.csv").write_text("one\n")
    assert content(place, "a.csv") == b"one\n"  # beside it
    (place / "link").symlink_to(odd)
    refusal = re.escape(r"/caf\xe9") + r"(/a)?(\.csv)?: the name is not UTF-8; rename"
    for path in (place / odd, place / "link", place / odd / "a.csv", place / f"{odd}.csv"):
        with pytest.raises(InputError, match=refusal):
            content(path, path.name if path.suffix else "a.csv")
    with pytest.raises(InputError, match=refusal):
        content(place, f"{odd}.csv")


def test_what_operating_systems_leave_is_passed_over(folder: Any, tmp_path: Path) -> None:
    left = {"__MACOSX/top/._a.csv": b"\0\5", "top/._b.csv": b"\0", "top/.DS_Store": b"\0", "../Thumbs.db": b"\0"}
    with open_folder(zipped(tmp_path / "f.zip", {"top/a.csv": b"one\n", **left})) as opened:
        assert opened.names == ("a.csv",)
        assert opened.skipped == tuple(sorted(left))
    place = folder({"a.csv": "one\n", "._a.csv": "\0\5", ".DS_Store": "\0"})
    (place / "posters").mkdir()
    with open_folder(place) as opened:
        assert opened.names == ("a.csv",)
        assert opened.skipped == (".DS_Store", "._a.csv", "posters/")


def test_an_archive_of_any_name_is_one(tmp_path: Path) -> None:
    for name in ("F.ZIP", "download"):
        with open_folder(zipped(tmp_path / name, {"a.csv": b"one\n"})) as opened:
            assert opened.names == ("a.csv",)
    workbook = zipped(tmp_path / "book.csv", {"[Content_Types].xml": b"", "xl/workbook.xml": b""})
    with open_folder(workbook) as opened:
        assert opened.names == ("book.csv",)  # the reader of text says what it is


def test_bombs(folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.sources.folder.SMALL", 1 << 20)
    zeros = bytes(4 << 20)
    with pytest.raises(InputError, match="as a zip bomb does"), open_folder(zipped(tmp_path / "f.zip", {"a": zeros})):
        pass
    with pytest.raises(InputError, match="as a zip bomb does"):
        content(folder({"a.gz": zeros}), "a.gz")
    inner = zipped(tmp_path / "g.zip", {"a.gz": gzip.compress(zeros)})
    with pytest.raises(InputError, match="as a zip bomb does"):
        content(inner, "a.gz")


def test_damage(folder: Any, tmp_path: Path) -> None:
    place = folder({"whole.gz": "one two three\n" * 100})
    data = (place / "whole.gz").read_bytes()
    (place / "cut.gz").write_bytes(data[:-9])
    with pytest.raises(InputError, match=r"cut\.gz: truncated or damaged"):
        content(place, "cut.gz")
    (place / "plain.gz").write_bytes(b"not packed")
    with pytest.raises(InputError, match=r"plain\.gz: not packed with gzip; if it is text, take \.gz off its name"):
        content(place, "plain.gz")
    archive = zipped(tmp_path / "f.zip", {"a.csv": b"one\n" * 100})
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"f\.zip: truncated or damaged archive"), open_folder(archive):
        pass


def test_archives_of_nothing_and_of_nameless_members(tmp_path: Path) -> None:  # found by tests/fuzz
    with open_folder(zipped(tmp_path / "f.zip", {"__MACOSX/._a.csv": b"x"})) as opened:
        assert opened.names == ()
        assert opened.listing == "no files"
    archive = zipped(tmp_path / "g.zip", {"a": b"one\n"})
    archive.write_bytes(archive.read_bytes().replace(b"a", b"\0"))
    with pytest.raises(InputError, match=r"a member has no name|damaged"), open_folder(archive):
        pass
    archive = zipped(tmp_path / "h.zip", {"a.csv": b"one\n" * 100})
    whole = archive.read_bytes()
    archive.write_bytes(b"PX" + whole[2:])  # the member's own header
    with open_folder(archive) as opened, pytest.raises(InputError, match=r"a\.csv: truncated or damaged"):
        opened.checksum("a.csv")


def test_what_is_there_but_no_file_is_named(folder: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events.csv")
    for path in (tmp_path / "events.csv", Path("/dev/null")):
        with pytest.raises(InputError, match=f"{path}: is a pipe, a device or a socket; write"), open_folder(path):
            pass
    with open_folder(folder({"a.csv": "1"})) as opened:
        (opened.root / "b.csv").symlink_to(tmp_path / "events.csv")
        with pytest.raises(InputError, match=r"b\.csv"):
            opened.size("b.csv")


def test_nothing_there(folder: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file or folder"), open_folder(tmp_path / "gone"):
        pass
    with open_folder(folder({"a.csv": ""})) as opened, pytest.raises(InputError, match="the file is empty"):
        opened.size("a.csv")
    with open_folder(zipped(tmp_path / "f.zip", {"a.csv": b""})) as opened, pytest.raises(InputError, match="is empty"):
        opened.size("a.csv")
