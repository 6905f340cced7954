"""The nightly HTML report: every planted number, untrusted text as text, and nothing from outside."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.settings import Settings
from jobs.storage.runs import Entry
from schemas.names import TaskState
from tests.support.fakes import DS, fake_night, publish_words
from tests.support.planted import EARLIER, planted_page, written_page
from tests.support.warehouse import use

Captured = pytest.CaptureFixture[str]
VOID = {"meta", "link", "img", "br"}


@dataclass
class Page(HTMLParser):
    """The tags of a page with their attributes, its text, and the rows of its tables."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def values(self, tag: str, attribute: str) -> list[str]:
        return [str(attributes[attribute]) for name, attributes in self.tags if name == tag and attribute in attributes]


def parsed(file: Path) -> tuple[str, Page]:
    """A page's text and what is in it."""
    html = file.read_text(encoding="utf-8")
    page = Page()
    page.feed(html)
    assert page.open == []
    page.rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    return html, page


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Page]]:
    """The planted night's report."""
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield parsed(planted_page(use(folder, monkeypatch), folder))


def test_what_was_planted_is_there(planted: tuple[str, Page]) -> None:
    _, page = planted
    assert "item_knn is the champion: ndcg@10 0.1234 (0.122 – 0.124) on 7 users, against popularity with 0.0987" in (
        " ".join(page.text.split())
    )
    assert ["ndcg@10", "0.1234 0.122 – 0.124", "0.0987 0.098 – 0.100"] in page.rows, "all users"
    assert ["ndcg@20", "0.1567 0.156 – 0.158", ""] in page.rows, "another length"
    assert ["coverage", "0.4321 0.431 – 0.433", ""] in page.rows
    assert ["ndcg@10", "0.2222 0.221 – 0.223"] in page.rows, "the segment that nobody foresaw"
    assert ["psi_activity", "0.0456", "0.0446", "0.0466"] in page.rows, "drift"
    assert [row[:3] for row in page.rows if row[0] in (DS, EARLIER) and len(row) == 4] == [
        [DS, "complete", "item_knn"],
        [EARLIER, "complete", "item_knn"],
    ]
    rejected = {row[0]: row[2] for row in page.rows if row[0] in ("unparsable", "duplicate")}
    assert rejected == {"unparsable": "2", "duplicate": "1"}
    assert ["clean", "1.5000"] in page.rows, "seconds"
    assert ["clean", "64.0000"] in page.rows, "MiB"
    assert ["interactions", "8"] in page.rows


def test_reach_is_what_the_lists_hold(planted: tuple[str, Page]) -> None:
    # Five items may be recommended, each of the four lists holds the same three.
    _, page = planted
    assert ["1", "20.0%"] in page.rows
    assert ["3", "60.0%"] in page.rows
    assert "60.0 % of the catalogue" in " ".join(page.text.split())
    # The two items with events are the most popular 40 % and in no list.
    assert ["100%", "100.0%", "100.0%"] in page.rows
    assert ["25%", "62.5%", "0.0%"] in page.rows


def test_untrusted_text_stays_text(planted: tuple[str, Page]) -> None:
    html, page = planted
    assert "<script" not in html
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.text.count("<script>alert('x')</script>") > 10
    assert "heavy <b>" in page.text


def test_nothing_comes_from_outside(planted: tuple[str, Page]) -> None:
    html, page = planted
    assert not re.findall(r"""(?:src|href|url\(|@import)\s*=?\s*["'(]?\s*(?!data:|#)[^\s"')]*//""", html)
    assert {link[:1] for link in page.values("a", "href")} == {"#"}
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.values("img", "src"))
    [policy] = [
        a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not [a for _, a in page.tags if "style" in a], "the policy would drop it"
    assert len(html.encode()) < 2_000_000


def test_only_real_pictures_are_shown(planted: tuple[str, Page]) -> None:
    html, page = planted
    assert len(page.values("img", "src")) > 0
    assert len(set(page.values("img", "src"))) == 1
    assert "root:x" not in html
    assert 'class="poster blank"' in html


def test_every_plot_says_what_it_shows_and_ids_are_unique(planted: tuple[str, Page]) -> None:
    _, page = planted
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) >= 5
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set(str(drawing["aria-labelledby"]).split()) <= set(ids)
    used = re.findall(r"#([\w-]+)", " ".join(f"{a.get('href', '')} {a.get('clip-path', '')}" for _, a in page.tags))
    assert set(used) <= set(ids)


@pytest.mark.slow
def test_the_same_night_gives_the_same_page(published: Settings) -> None:
    first, second = (written_page(published, DS, "first") for _ in range(2))
    assert first != second
    assert first.read_bytes() == second.read_bytes()


def test_a_refused_night_says_why_and_whose_lists_stay(published: Settings) -> None:
    ds = "2026-11-21"
    night = fake_night(published, 2, ds=ds, run="worse")
    models = night.tonight("models")
    night.run.record(
        Entry("gate", TaskState.REFUSED, "b", {"models": models}, {"models": 2}, error="worse than popularity <b>")
    )
    assert main(publish_words("worse", ds=ds)) == 0
    _, page = parsed(written_page(published, ds, "worse"))
    text = " ".join(page.text.split())
    assert "Tonight's lists were refused. worse than popularity <b> The lists of 2026-11-20 stay." in text
    assert [ds, "refused"] in [row[:2] for row in page.rows]
    assert "This publication has no lists." in text


@pytest.mark.usefixtures("shared")
def test_a_run_that_is_not_published_has_no_report(capsys: Captured) -> None:
    assert main(["html_report", "--domain", "movies", "--ds", DS, "--run", "none"]) == 2
    assert "nothing is published for movies" in capsys.readouterr().err
    assert main(["report", "--domain", "movies", "--open"]) == 2
    assert "there is no HTML report of this run" in capsys.readouterr().err
