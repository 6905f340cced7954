"""The nightly HTML report in a real browser: it loads alone, fits a phone, needs no mouse, can be read and printed.

The page is the planted one, whose titles are scripts and words without end.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.planted import planted_page
from tests.support.warehouse import use

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `make test-browser` installs it as root")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
REACHABLE = "a[href], summary, [tabindex='0']"
OPEN_ALL = "document.querySelectorAll('details').forEach(d => d.open = true)"
# Every text's colour against the next background that is not transparent, as WCAG 2.2 (1.4.3) counts contrast.
CONTRASTS = """() => {
  const rgba = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => rgba(c).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) {
      const b = getComputedStyle(e).backgroundColor; if (rgba(b)[3] !== 0) return b; } return 'rgb(255, 255, 255)'; };
  const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const texts = [...document.querySelectorAll('body *')].filter(own);
  return texts.filter(e => !['title', 'desc'].includes(e.localName)).map(e => {
      const style = getComputedStyle(e), ink = e.ownerSVGElement ? style.fill : style.color;
      const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), e.localName + '.' + (e.getAttribute('class') || ''), ink]; });
}"""

# Where a table's caption and its last column's texts end, with the table scrolled to its left and to its right end.
ENDS = """() => [...document.querySelectorAll('.scroll > table')].filter(t => t.checkVisibility()).map(t => {
  const end = e => { const r = document.createRange(); r.selectNodeContents(e); return r.getBoundingClientRect(); };
  const box = t.parentElement, last = [...t.querySelectorAll('tr > :last-child')], name = box.ariaLabel;
  box.scrollLeft = 0;
  const caption = t.caption ? end(t.caption) : {left: 0, right: 0};
  box.scrollLeft = 1e6;
  const moved = t.caption ? end(t.caption) : {left: 0, right: 0};
  return {name, caption: [caption.left, caption.right], moved: [moved.left, moved.right],
          last: Math.max(...last.map(c => end(c).right)), scrolls: box.scrollWidth > box.clientWidth,
          by_hand: ['auto', 'scroll'].includes(getComputedStyle(box).overflowX)}; })"""
# Columns are filled as pages are: each heading with the column it ends in and the one that what follows it begins in.
COLUMNS = """height => {
  const main = document.querySelector('main');
  main.style.cssText = 'width: 690px; max-width: none; columns: 1; column-gap: 0; column-fill: auto';
  main.style.height = `${height}px`;
  const left = main.getBoundingClientRect().left, column = rect => Math.floor((rect.left - left + 1) / 690);
  const first = e => { const r = document.createRange(), w = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
    for (let n; (n = w.nextNode());) if (n.textContent.trim()) { r.selectNodeContents(n);
        const rects = r.getClientRects(); if (rects.length) return rects[0]; }
    return e.getClientRects()[0]; };
  return [...main.querySelectorAll('h2, h3')].map(h => [h.textContent, column([...h.getClientRects()].at(-1)),
      column(first(h.nextElementSibling))]); }"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The planted page."""
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield planted_page(use(folder, monkeypatch), folder).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page on a desk; nothing may be asked for, complained of or said by a script while it is open."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    noise: list[str] = []
    page.on("console", lambda message: noise.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: noise.append(f"error: {error}"))
    page.on("dialog", lambda dialog: noise.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: noise.append(f"request: {request.url}"))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    asked = [line for line in noise if not line.startswith("request: data:image/jpeg")]
    assert asked == [f"request: {address}"]
    noise.clear()
    yield page
    assert noise == []
    page.close()


def test_it_loads_alone_and_shows_its_picture(page: Page) -> None:
    assert page.title() == "movies 2026-11-20 – Encore"
    assert page.evaluate("[...document.images].length") > 0
    page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "992px", "its style holds"


def test_its_policy_stops_a_script_that_got_in(browser: Browser, address: str, tmp_path: Path) -> None:
    html = Path(unquote(urlsplit(address).path)).read_text(encoding="utf-8")
    file = tmp_path / "broken in.html"
    file.write_text(html.replace("</body>", "<script>document.title = 'broken in'</script></body>"), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.title() == "movies 2026-11-20 – Encore"
    page.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_it_never_scrolls_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('svg, img, figure, h1, h2, p, summary')].filter(e => !e.closest('.scroll'))"
    assert page.evaluate(f"{wide}.filter(e => e.getBoundingClientRect().right > innerWidth + 1).length") == 0


def test_its_text_is_large_enough_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sizes = page.evaluate(
        "[...document.querySelectorAll('svg text')].filter(t => t.getClientRects().length)"
        ".map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
    )
    assert len(sizes) > 20
    assert min(sizes) >= 9


def test_a_keyboard_reaches_everything_and_shows_where_it_is(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, "it shows when it has the focus"
    page.evaluate(f'document.querySelectorAll("{REACHABLE}").forEach((e, i) => e.dataset.place = i)')
    wanted = page.evaluate(f'[...document.querySelectorAll("{REACHABLE}")].filter(e => e.checkVisibility()).length')
    seen = []
    for _ in range(wanted):
        place, outline = page.evaluate(
            "[document.activeElement.dataset.place, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert outline != "none", place
        seen.append(int(place))
        page.keyboard.press("Tab")
    assert seen == sorted(set(seen)), "in the order of the page"
    assert len(seen) == wanted > 30


def test_the_skip_link_and_a_summary_answer_the_enter_key(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    closed = page.locator("details:not([open]) > summary").first
    closed.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open") is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_by_day_and_by_night(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.evaluate(OPEN_ALL)
    assert (
        page.evaluate("getComputedStyle(document.body).backgroundColor")
        == {
            "light": "rgb(255, 255, 255)",
            "dark": "rgb(17, 19, 23)",
        }[scheme]
    )
    result = page.evaluate(CONTRASTS)
    assert len(result) > 200
    assert [pair for pair in result if pair[0] < 4.5] == []


def test_it_prints_with_every_list(page: Page, tmp_path: Path) -> None:
    content = page.pdf(format="A4")
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 3
    page.emulate_media(media="print")
    heights = page.evaluate("[...document.querySelectorAll('.card .items')].map(e => e.getBoundingClientRect().height)")
    assert len(heights) >= 4
    assert min(heights) > 50, "closed on the screen, open on paper"


def test_captions_and_last_columns_are_whole_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate(OPEN_ALL)
    tables = page.evaluate(ENDS)
    assert len(tables) > 10
    assert [table["name"] for table in tables if table["scrolls"]], "no table of the page is too wide for a phone"
    for table in tables:
        for left, right in (table["caption"], table["moved"]):
            assert 0 <= left <= right <= 390, table
        assert table["last"] <= 390 - 16, table
        assert table["by_hand"] or not table["scrolls"], table


@pytest.mark.parametrize("height", range(600, 1100, 25))
def test_no_heading_stands_alone_at_a_pages_end(page: Page, height: int) -> None:
    page.emulate_media(media="print")
    headings = page.evaluate(COLUMNS, height)
    assert len(headings) > 8
    assert max(column for _, column, _ in headings) >= 2, "several pages"
    assert [heading for heading in headings if heading[1] != heading[2]] == []


def test_folded_numbers_are_printed_without_triangles(page: Page) -> None:
    page.emulate_media(media="print")
    folded = page.evaluate(
        "[...document.querySelectorAll('details:not([open])')].map(d => [getComputedStyle(d.firstElementChild)"
        ".listStyleType, d.lastElementChild.getBoundingClientRect().height])"
    )
    assert len(folded) > 10
    assert {marker for marker, _ in folded} == {"none"}
    assert min(height for _, height in folded) > 15
