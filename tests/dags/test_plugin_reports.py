"""The plugin that serves the nights' pages, in Airflow's own API server: who gets in, what is served."""

from unittest.mock import Mock

import pytest

from dags.common import JobOperator, ReportLink, page_url, warehouse

DS, RUN = "2026-11-20", "scheduled__2026-11-21T02_00_00_00_00"
PAGE = "<!doctype html><title>the page</title>"
ENTRY = """
import json, sys
from jobs.report.published import address
from jobs.storage import files
from jobs.storage.runs import Entry, Run
warehouse, ds, run_id, page = json.load(sys.stdin)
run = Run(warehouse, "movies", ds, run_id)
run.record(Entry("report", "done", "0123456789ab", facts={"state": "complete", "champion": "item_<b>knn"}))
files.write_bytes(address(run), page.encode())
print(json.dumps(address(run)))
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory, in_jobs_environment):
    """A warehouse with one page, laid there as the job lays it."""
    folder = tmp_path_factory.mktemp("plugin") / "the wärehouse's #1"
    address = in_jobs_environment(ENTRY, [f"file://{folder}", DS, RUN, PAGE])
    assert address.startswith(f"file://{folder}/runs/movies/{DS}/{RUN}/report/")
    (folder / "secret.html").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def server(database):
    """Airflow's app with its plugins, and a token of a user who may only look."""
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    client = TestClient(create_app(apps="core"), follow_redirects=False)
    manager = get_auth_manager()
    client.token = manager.generate_jwt(SimpleAuthManagerUser(username="ann", role="viewer"))
    client.without_role = manager.generate_jwt(SimpleAuthManagerUser(username="eve", role=None))
    return client


@pytest.fixture
def get(server, shelf, monkeypatch):
    """Asks for a path; as=: nobody, a bearer of a token, or a browser with the cookie of the UI."""
    monkeypatch.setenv("ENCORE_WAREHOUSE", str(shelf))

    def ask(path, method="bearer", **headers):
        headers |= {
            "bearer": {"Authorization": f"Bearer {server.token}"},
            "cookie": {"Cookie": f"_token={server.token}"},
            "forged": {"Authorization": f"Bearer {server.token[:-4]}abcd"},
            "without role": {"Authorization": f"Bearer {server.without_role}"},
            "nobody": {},
        }[method]
        return server.get(path, headers=headers)

    return ask


@pytest.mark.parametrize("path", ["/encore/reports/", page_url("movies", DS, RUN), "/encore/reports/movies/x/y"])
def test_nobody_gets_in_without_login(get, path):
    assert get(path, "nobody").status_code == 401
    assert get(path, "forged").status_code == 403
    browser = get(path, "nobody", accept="text/html")
    assert browser.status_code == 303
    assert browser.headers["location"].startswith("/api/v2/auth/login?next=http")


@pytest.mark.parametrize("path", ["/encore/reports/", page_url("movies", DS, RUN), "/encore/reports/movies/x/y"])
def test_a_login_that_may_not_see_the_dag_is_not_enough(get, path):
    assert get(path, "without role").status_code == 403


@pytest.mark.parametrize("method", ["bearer", "cookie"])
def test_a_user_gets_the_page_as_it_is_and_nothing_in_it_may_run(get, method):
    answer = get(page_url("movies", DS, RUN), method)
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_the_index_names_every_page(get):
    answer = get("/encore/reports/")
    assert answer.status_code == 200
    assert f'href="/encore/reports/movies/{DS}/{RUN}"' in answer.text
    assert "<td>movies</td><td>complete</td><td>item_&lt;b&gt;knn</td>" in answer.text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("domain=movies", True),
        ("domain=music", False),
        ("state=complete", True),
        ("state=refused&domain=movies", False),
    ],
)
def test_the_index_can_be_filtered(get, query, shown):
    text = get(f"/encore/reports/?{query}").text
    assert (RUN in text) == shown
    assert ("No night has such a report yet." in text) != shown
    assert f"<b>{query.rpartition('=')[2]}</b>" in text
    assert "<script" not in get("/encore/reports/?domain=<script>&state=<script>").text


@pytest.mark.parametrize(
    "path",
    [
        "movies/2026-11-20/..",
        "movies/2026-11-20/%2e%2e",
        "movies/2026-11-20/..%2f..%2f..%2f..%2fsecret.html",
        "movies/..%2f..%2f..%2f/secret.html",
        "..%2f../2026-11-20/x",
        "movies/2026-11-20/x%00",
        "movies/2026-11-20/*",
        "movies/2026-11-2?/x",
        "books/2026-11-20/x",
        "movies/2026-11-20/other",
        "movies/2026-11-19/" + RUN,
    ],
)
def test_other_paths_are_refused(get, path):
    answer = get(f"/encore/reports/{path}")
    assert answer.status_code in (404, 422), answer.text
    assert "secret" not in answer.text.replace("secret.html", "")


def test_a_store_that_cannot_be_read_is_named(get, monkeypatch):
    monkeypatch.setenv("ENCORE_WAREHOUSE", "nothing://bucket/warehouse")
    answer = get(page_url("movies", DS, RUN))
    assert answer.status_code == 501
    assert "nothing://bucket/warehouse are not served here" in answer.json()["detail"]


def test_the_ui_has_it_in_its_menu(get):
    plugins = get("/api/v2/plugins").json()["plugins"]
    [ours] = [plugin for plugin in plugins if plugin["name"] == "encore_reports"]
    assert [view["href"] for view in ours["external_views"]] == ["/encore/reports/"]


def test_every_report_task_has_the_link_and_no_other(dag):
    linked = {
        task.task_id for task in dag.tasks if any(isinstance(link, ReportLink) for link in task.operator_extra_links)
    }
    assert linked == {task.task_id for task in dag.tasks if task.task_id.endswith(".report")}


NAME = """
import json, sys
from jobs.storage.runs import run_name
print(json.dumps(run_name(json.load(sys.stdin))))
"""


def test_the_link_leads_to_the_run_as_the_job_names_it(in_jobs_environment):
    run = "manual__2026-11-21T02:00:00+00:00"
    task = JobOperator(task_id="t", job="html_report", arguments=["--domain=movies", f"--ds={DS}", f"--run={run}"])
    named = in_jobs_environment(NAME, run)
    assert ReportLink().get_link(task, ti_key=None) == f"/encore/reports/movies/{DS}/{named}"


def test_the_log_of_the_task_says_where_the_report_is(encore, monkeypatch):
    encore()
    log = Mock()
    monkeypatch.setattr(JobOperator, "log", log)
    arguments = ["--domain=movies", f"--ds={DS}", "--run=mine"]
    JobOperator(task_id="t", job="html_report", arguments=arguments, links=(ReportLink(),)).execute({})
    lines = [call.args[0] % call.args[1:] for call in log.info.call_args_list]
    assert any(line.endswith(f"/encore/reports/movies/{DS}/mine") for line in lines)


PLACES = ("", "some where", "/tmp/x/", "s3://bucket/warehouse/", "file:///tmp/w")
WAREHOUSES = """
import json, sys
from jobs import settings
print(json.dumps([settings.load({"ENCORE_WAREHOUSE": place}).warehouse for place in json.load(sys.stdin)]))
"""


def test_the_warehouse_is_where_the_jobs_have_it(in_jobs_environment, monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)
    ours = []
    for place in PLACES:
        monkeypatch.setenv("ENCORE_WAREHOUSE", place)
        ours.append(warehouse())
    assert ours == in_jobs_environment(WAREHOUSES, PLACES)


def test_pages_of_a_domain_that_is_no_longer_configured_stay(get, shelf):
    for part in ("manifest/report.json", "report/0123456789ab/report.html"):
        old = shelf / "runs" / "movies" / DS / RUN / part
        new = shelf / "runs" / "books" / DS / RUN / part
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(old.read_bytes())
    assert get(page_url("books", DS, RUN)).text == PAGE
    assert page_url("books", DS, RUN) in get("/encore/reports/").text
    assert get(page_url("Books!", DS, RUN)).status_code == 404
