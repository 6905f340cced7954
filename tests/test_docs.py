"""Documentation: links lead somewhere, prose fits in 120 columns, every page is listed, commands name what there is."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from jobs.sources import FORMATS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(page for name in ("docs", ".github") for page in (ROOT / name).rglob("*.md"))])
FENCE = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
COLUMNS = 120
ids = [str(page.relative_to(ROOT)) for page in PAGES]


def prose(page: Path) -> str:
    """The page without code blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the page's headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    texts = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower().replace("`", "") for heading in headings)
    return {re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for link in LINK.findall(prose(page)):
        if "://" in link or link.startswith(("mailto:", "../../actions/")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_prose_fits_in_120_columns(page: Path) -> None:
    """Tables and lines that a link makes long aside; of generated pages of measurements commands too."""
    text = page.read_text(encoding="utf-8")
    if page.parent.name == "measurements":
        text = FENCE.sub("", text)
    lines = enumerate(text.splitlines(), 1)
    long = [
        number
        for number, line in lines
        if len(line) > COLUMNS and not line.lstrip().startswith("|") and "](" not in line
    ]
    assert long == []


def test_the_readme_is_short_and_lists_every_page_with_a_line() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    rows = {link for line in text.splitlines() if line.startswith("| [") for link in LINK.findall(line)}
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} - {"docs/README.md"}
    folders = {f"docs/{page.parent.name}/README.md" for page in (ROOT / "docs").glob("*/README.md")}
    assert pages | folders <= rows


def test_the_index_of_docs_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= {*LINK.findall(index)}
    sources = (ROOT / "docs" / "sources" / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in (ROOT / "docs" / "sources").glob("*.md")} - {"README.md"} <= {*LINK.findall(sources)}


def test_every_format_of_import_has_a_page() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "sources").glob("*.md")} - {"README"}
    assert pages == {*FORMATS}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_modules_that_commands_name_are_there(page: Path) -> None:
    """`python -m X` in pages; and files of the project in code spans."""
    text = page.read_text(encoding="utf-8")
    missing = [
        name
        for name in re.findall(r"python -m ((?:benchmarks|tests|schemas|jobs)[\w.]*\w)", text)
        if not find_spec(name)
    ]
    if page.name not in ("CHANGELOG.md", "CONTRIBUTING.md"):  # of before, and of what one adds
        folders = r"(?:benchmarks|dags|docker|jobs|models|schemas|tests)"
        files = re.findall(rf"`({folders}/[\w/]+\.(?:py|md|toml|json|lock|sh))`", text)
        missing += [name for name in files if not (ROOT / name).exists()]
    assert missing == []


def test_the_version_is_a_release_with_its_day() -> None:
    """The newest heading of the changelog is the version of setup.cfg, or what is not released yet comes before it."""
    version = re.findall(r"^version = (\S+)$", (ROOT / "setup.cfg").read_text(encoding="utf-8"), re.MULTILINE)
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    releases = [heading for heading in headings if heading != "Unreleased"]
    assert headings[-len(releases) :] == releases
    assert re.fullmatch(rf"{re.escape(version[0])} \(\d{{4}}-\d\d-\d\d\)", releases[0])


def test_pages_that_the_code_names_are_there() -> None:
    """In docstrings, messages, settings and scripts."""
    folders = ("benchmarks", "dags", "docker", "jobs", "models", "schemas", "tests")
    files = [
        file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".sh", ".toml"}
    ]
    named = {page for file in files for page in re.findall(r"\bdocs/[\w/-]+\.md", file.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == ["docs/measurements/NAME.md"]
