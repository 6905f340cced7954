"""Airflow's UI as a person uses it: a night from the form, its grid, its log, its report.

With ENCORE_SCREENSHOTS=FOLDER the pictures of the documentation are made anew.
"""

import io
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from schemas.names import MODELS

pytestmark = [
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium: `make test-ui` installs it as root"),
    pytest.mark.timeout(2400),
]
DS, CHOSEN = "2026-03-01", ("popularity", "item_knn")
NIGHT_SECONDS = 1500  # a quiet machine with two cores needs about one minute


def take(page: Page, name: str) -> None:
    """Takes a picture for the documentation: 64 colours are enough for a page of text."""
    if folder := os.environ.get("ENCORE_SCREENSHOTS"):
        picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
        picture.quantize(64, dither=Image.Dither.NONE).save(Path(folder, f"{name}.png"), optimize=True)


def form(page: Page) -> None:
    """Opens the form of `nightly` and fills it for a small night of games."""
    page.goto("/dags/nightly")
    page.get_by_role("button", name="Trigger").first.click()
    for name in ("movies", "music", *(model for model in MODELS if model not in CHOSEN)):
        page.get_by_label(f"Remove {name}", exact=True).click()
    page.locator("#element_ds").fill(DS)
    page.get_by_label("Items per user (top_k)").fill("5")


@pytest.fixture(scope="module")
def night(page: Page) -> str:
    """The address of a run that was triggered by the form and is green."""
    form(page)
    take(page, "airflow-form")
    page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url(re.compile("/dags/nightly/runs/manual"))
    state = page.get_by_test_id("state-badge").first
    expect(state).to_have_text(re.compile("Success|Failed"), timeout=NIGHT_SECONDS * 1000)
    expect(state).to_have_text("Success")
    return page.url


def test_the_form_sends_no_night_of_a_list_without_end(page: Page) -> None:
    form(page)
    page.get_by_label("Items per user (top_k)").fill("1001")
    page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()
    expect(page.get_by_text("Failed to Trigger Dag")).to_be_visible()


def test_a_night_from_the_form_is_green(page: Page, night: str) -> None:
    page.goto(night)
    page.get_by_test_id("grid-view-button").click()
    page.get_by_label("Toggle group").first.click()
    expect(page.get_by_text("train_item_knn").first).to_be_visible()
    take(page, "airflow-grid")
    page.goto("/dags/nightly/runs")
    expect(page.get_by_role("row").filter(has_text="manual__")).to_have_count(1)  # none of the form that was refused


def test_the_graph_shows_each_domain(page: Page, night: str) -> None:
    page.goto(night)
    page.get_by_label(re.compile("Show Graph")).click()
    graph = page.locator(".react-flow")
    for name in ("request", "games", "movies", "music", "spark_stop"):
        expect(graph.get_by_text(name, exact=True).first).to_be_visible()
    take(page, "airflow-graph")


def test_the_log_of_a_task_has_the_lines_of_its_job(page: Page, night: str) -> None:
    page.goto(f"{night}/tasks/games.publish")
    expect(page.get_by_text(re.compile(r"\[encore\] games\.publish")).first).to_be_visible()


def test_the_details_of_the_report_task_link_to_the_page(page: Page, night: str) -> None:
    page.goto(f"{night}/tasks/games.report/details")
    page.get_by_role("link", name="Night's report").click()
    expect(page).to_have_title(f"games {DS} – Encore")
    take(page, "airflow-report")


def test_the_menu_leads_to_the_reports_of_all_nights(page: Page, night: str) -> None:
    page.goto("/")
    page.get_by_role("button", name="Browse").click()
    with page.expect_popup() as opened:
        page.get_by_role("menuitem", name="Encore reports").click()
    reports = opened.value
    row = reports.get_by_role("row").filter(has_text=DS)
    expect(row).to_have_count(1)
    expect(row).to_contain_text("complete")
    row.get_by_role("link").click()
    expect(reports).to_have_title(f"games {DS} – Encore")
    reports.close()
