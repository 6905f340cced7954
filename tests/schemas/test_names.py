"""The names that DAGs import: standard library only."""

import ast
import re
import sys
from pathlib import Path

import pytest

from schemas import names


def test_nothing_but_the_standard_library_is_imported() -> None:
    tree = ast.parse(Path(names.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize("listed", [tuple(names.domain_files()), names.TABLES, names.MODELS])
def test_names_are_plain_and_stand_once(listed: tuple[str, ...]) -> None:
    assert len(set(listed)) == len(listed) > 0
    assert all(name.isidentifier() and name == name.lower() for name in listed)


def test_domains_are_files_shipped_and_own(tmp_path: Path) -> None:
    shipped = names.domain_files()
    assert [*shipped] == ["games", "movies", "music"]
    (tmp_path / "books.toml").write_text("this is not TOML, which the jobs say")
    (tmp_path / "movies.toml").write_text("")
    (tmp_path / ".movies.toml").write_text("an editor's copy")
    (tmp_path / "notes.txt").write_text("")
    own = names.domain_files(str(tmp_path))
    assert own == shipped | {"books": tmp_path / "books.toml", "movies": tmp_path / "movies.toml"}
    assert [*own] == ["books", "games", "movies", "music"]
    assert names.domain_files("") == shipped


@pytest.mark.parametrize("name", ["Books", "böoks", "2books", "my books", "a.b", "x" * 64])
def test_a_file_whose_name_no_domain_can_have_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.toml").write_text("")
    with pytest.raises(
        ValueError, match=rf"{re.escape(name)}\.toml: the file's name is the domain's: it must be lower"
    ):
        names.domain_files(str(tmp_path))


def test_a_folder_of_domains_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^ENCORE_DOMAINS=.*/none: is not a folder; name one that"):
        names.domain_files(str(tmp_path / "none"))


def test_no_two_run_ids_share_a_folder() -> None:
    ids = ["a:b", "a+b", "a_b", "a/b", "a b", "ä_b", "x" * 250, "x" * 249, "manual__2026-03-01T02:00:00+00:00"]
    folders = [names.run_folder(one) for one in ids]
    assert len(set(folders)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,200}", folder) for folder in folders)
    assert names.run_folder("nightly_20260301T020000_ab12cd") == "nightly_20260301T020000_ab12cd"
    assert [names.run_folder(folder) for folder in folders] == folders, "a folder's name is its own folder"


def test_the_length_of_lists_is_that_of_the_domains_file_and_of_the_configuration(tmp_path: Path) -> None:
    for name, text in {"books": "top_k = 30", "films": "x = 1", "songs": "top_k = 7", "torn": "top_k = "}.items():
        (tmp_path / f"{name}.toml").write_text(text)
    files = {file.stem: file for file in sorted(tmp_path.iterdir())} | {"gone": tmp_path / "gone.toml"}
    assert names.top_k_of(files) == {"books": 30, "films": 20, "songs": 7, "torn": 20, "gone": 20}
    config = tmp_path / "encore.conf"
    config.write_text("[domains.songs]\ntop_k = 8\n[domains.films]\nblocked = []\n")
    assert names.top_k_of(files, str(config)) == {"books": 30, "films": 20, "songs": 8, "torn": 20, "gone": 20}
