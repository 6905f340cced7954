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
