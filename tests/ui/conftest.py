"""A real Airflow, started as `make up` starts it, with a generated catalogue, and a browser that is logged in to it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.support.servers.services import ROOT, free_port

CHROMIUM = shutil.which("chromium")
ENCORE = ROOT / ".venv" / "bin" / "encore"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE_SECONDS = 120  # for one click or one expectation: a quiet machine needs one or two


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of Airflow's UI and admin's password."""
    folder, port = tmp_path_factory.mktemp("ui"), str(free_port())
    ours = ("AIRFLOW", "ENCORE", "SPARK_", "AWS_")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        **{f"ENCORE_{name.upper()}": str(folder / name) for name in ("warehouse", "landing", "state")},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # or last night's would come before the one of the form
        "PORT": port,
        "START_SECONDS": "600",
    }

    def call(*words: object) -> str:
        done = subprocess.run(
            [str(word) for word in words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call(ENCORE, "import", "demo", "--size", "tiny", "--domain", "games", "--ds", "2026-03-01")
    try:
        call(ROOT / "docker" / "airflow.sh", "up")
        passwords = Path(environment["AIRFLOW_HOME"], "simple_auth_manager_passwords.json.generated")
        yield f"http://localhost:{port}", json.loads(passwords.read_text())["admin"]
    finally:
        call(ROOT / "docker" / "airflow.sh", "down")


@pytest.fixture(scope="session")
def page(airflow: tuple[str, str]) -> Iterator[Page]:
    """The UI's first page after the login."""
    address, password = airflow
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1200, "height": 800}, base_url=address)
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        expect.set_options(timeout=PATIENCE_SECONDS * 1000)
        page.goto("/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").first.fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{address}/")
        yield page
        browser.close()
