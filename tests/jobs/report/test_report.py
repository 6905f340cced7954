"""`encore report`: a published night in the terminal, from a really published warehouse."""

import re
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.settings import Settings
from tests.support.fakes import DS, USERS, fake_night, publish_words

Captured = pytest.CaptureFixture[str]


def page(capsys: Captured, *words: str) -> str:
    capsys.readouterr()
    assert main(["report", "--domain", "movies", *words]) == 0
    return capsys.readouterr().out


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line]


def test_the_page_of_a_night(shared: Settings, capsys: Captured) -> None:
    text = page(capsys)
    assert f"movies {DS} is complete (run first)" in text
    assert "8 new events, 1 rows rejected; 4 users got recommendations of 3 different items" in text
    assert "held-out events of 4 users" in text
    result = rows(text)
    judged = [[row[0], row[1], float(row[2]), float(row[3])] for row in result if row[0] in ("item_knn", "popularity")]
    assert judged == [["item_knn", "champion", 0.01, 1.0], ["popularity", "challenger", 0.01, 1.0]]
    assert ["clean", "1.5", "2.5", "64"] in result
    tasks = sum(row[1:] == ["1.5", "2.5", "64"] for row in result)
    took = re.search(r"for a thousand users: (\d+) s of a core \(([\d,.]+)\)", text)
    assert took, text[-1200:]
    assert tasks > 8
    assert float(took[1]) >= 2.5 * tasks - 0.5
    assert float(took[2].replace(",", "")) == pytest.approx(float(took[1]) * 1000 / 4, abs=0.5 * 250)
    assert "joules are estimated" in text
    assert f"tables: {shared.warehouse}\n" in text
    assert f"HTML report: none yet; make it with: encore html_report --domain movies --ds {DS} --run first\n" in text


@pytest.mark.usefixtures("shared")
def test_one_users_list_with_titles_and_reasons_to_the_letter(capsys: Captured) -> None:
    message = page(capsys)
    assert "user [u4]" in message, "all have two events: the first by id"
    assert min(USERS) == "[u4]"
    assert [row for row in rows(message) if row[0] in ("1", "2", "3")] == [
        [str(rank), f"Film {item} #1", "1.0000", "item_knn", "because you watched [bold]it"]
        for rank, item in enumerate(("n1", 'n"2', "n3"), start=1)
    ]


def test_the_page_that_the_night_has_written_is_found(published: Settings, capsys: Captured) -> None:
    words = ("--ds", DS, "--run", "first")
    assert main(["html_report", "--domain", "movies", *words]) == 0
    assert capsys.readouterr().out.startswith('{"task": "report"')
    [address] = re.findall(r"^HTML report: file://(\S.*)$", page(capsys, *words), re.M)
    assert address.startswith(f"{published.warehouse.removeprefix('file://')}/runs/movies/{DS}/first/report/")
    assert Path(address).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_an_earlier_run_is_told_as_it_was(published: Settings, capsys: Captured) -> None:
    fake_night(published, 2, run="second", users=(*USERS, "u5"))
    assert main(publish_words("second")) == 0
    assert "5 users got recommendations" in page(capsys)
    earlier = page(capsys, "--ds", DS, "--run", "first")
    assert "(run first)" in earlier
    assert "4 users got recommendations" in earlier
    assert "Film n1 #1" in earlier


@pytest.mark.parametrize("words", [("--run", "none"), ("--ds", "2026-11-19")])
@pytest.mark.usefixtures("shared")
def test_what_is_not_there(capsys: Captured, words: tuple[str, str]) -> None:
    assert main(["report", "--domain", "movies", *words]) == 2
    assert capsys.readouterr().err == (
        f"error: nothing is published for movies {words[1]}; `encore tables history` lists what is\n"
    )
