"""Who may do what in Airflow's API, by real tokens of its roles: look, trigger, see connections."""

import pytest

ROLES = ("viewer", "user", "op", "admin")
CONF = {"logical_date": None, "conf": {"ds": "2026-11-27"}}
# What is asked for → the first role that may. A DAG that is not there is a 404 to who may trigger it, else a 403.
RULES = {
    ("GET", "/api/v2/dags"): "viewer",
    ("GET", "/encore/reports/"): "viewer",
    ("POST", "/api/v2/dags/no_such_dag/dagRuns"): "user",
    ("POST", "/api/v2/dags/no_such_dag/clearTaskInstances"): "user",
    ("PATCH", "/api/v2/dags/no_such_dag"): "user",
    ("GET", "/api/v2/connections"): "op",
    ("GET", "/api/v2/variables"): "op",
    ("PATCH", "/api/v2/pools/gpu"): "op",
}


@pytest.fixture(scope="module")
def ask(database):
    """Status of a request of a role; None: without a token."""
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    client = TestClient(create_app(apps="all"), follow_redirects=False)
    manager = get_auth_manager()

    def status(role, method, path):
        token = manager.generate_jwt(SimpleAuthManagerUser(username="ann", role=role)) if role else ""
        headers = {"Authorization": f"Bearer {token}"} if role else {}
        body = {"json": CONF if path.endswith("dagRuns") else {}} if method != "GET" else {}
        return client.request(method, path, headers=headers, **body).status_code

    return status


@pytest.mark.parametrize(("method", "path"), RULES)
def test_a_role_may_what_docs_privacy_says(ask, method, path):
    first = ROLES.index(RULES[method, path])
    statuses = [ask(role, method, path) for role in ROLES]
    assert [status == 403 for status in statuses] == [place < first for place in range(len(ROLES))], statuses
    assert ask(None, method, path) == 401


def test_nobody_reads_the_configuration_which_has_passwords(ask):
    assert [ask(role, "GET", "/api/v2/config") for role in ROLES] == [403] * len(ROLES)


@pytest.fixture(scope="module")
def read(database, tmp_path_factory):
    """(status, text) of a path below the reports, for a user by name, under what ENCORE_REPORT_READERS says."""
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    shelf = tmp_path_factory.mktemp("readers")
    for domain in ("movies", "music"):
        run = shelf / "runs" / domain / "2026-11-20" / "run"
        (run / "manifest").mkdir(parents=True)
        (run / "manifest" / "report.json").write_text('{"attempt": "a", "facts": {"state": "complete"}}')
        (run / "report" / "a").mkdir(parents=True)
        (run / "report" / "a" / "report.html").write_text(f"the page of {domain}")
    client = TestClient(create_app(apps="all"), follow_redirects=False)
    manager = get_auth_manager()

    def ask(user, path, readers, role="viewer"):
        token = manager.generate_jwt(SimpleAuthManagerUser(username=user, role=role))
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("ENCORE_WAREHOUSE", str(shelf))
            environment.setenv("ENCORE_REPORT_READERS", readers)
            answer = client.get(f"/encore/reports/{path}", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.text

    return ask


READERS = '{"movies": ["ann", "bob"], "music": ["bob"]}'


@pytest.mark.parametrize(
    ("user", "role", "domains"),
    [("ann", "viewer", {"movies"}), ("bob", "viewer", {"movies", "music"}), ("eve", "admin", set())],
)
def test_reports_of_a_domain_are_for_those_whom_the_setting_names(read, user, role, domains):
    for domain in ("movies", "music"):
        status, text = read(user, f"{domain}/2026-11-20/run", READERS, role)
        assert (status, f"the page of {domain}" in text) == ((200, True) if domain in domains else (403, False))
        status, text = read(user, f"?domain={domain}", READERS, role)
        assert (status, f"/{domain}/2026-11-20/run" in text) == (200, domain in domains)
        assert (f"domain={domain}" in read(user, "", READERS, role)[1]) == (domain in domains)
    status, text = read(user, "", READERS, role)
    assert {domain for domain in ("movies", "music") if f"/{domain}/2026-11-20/run" in text} == domains


def test_a_domain_that_is_not_named_is_for_all_who_see_the_dag(read):
    assert read("eve", "music/2026-11-20/run", "")[0] == 200
    assert read("eve", "music/2026-11-20/run", '{"movies": ["ann"]}')[0] == 200
    assert read("eve", "movies/2026-11-20/run", '{"movies": ["ann"]}')[0] == 403
    assert read("eve", "movies/2026-11-20/run", '{"movies": []}')[0] == 403


@pytest.mark.parametrize("readers", ["{", "[]", '"movies"', '{"movies": "ann"}', "null"])
def test_nobody_reads_where_the_setting_is_broken(read, readers):
    for path in ("", "movies/2026-11-20/run"):
        status, text = read("ann", path, readers)
        assert status == 503
        assert "ENCORE_REPORT_READERS" in text
