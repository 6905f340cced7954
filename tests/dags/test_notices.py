"""A run that failed is told of: to a webhook and by e-mail, and a service that is away changes nothing."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest

from dags import notices
from dags.notices import RunFailed

CONTEXT = {
    "dag_run": SimpleNamespace(run_id="r"),
    "ti": SimpleNamespace(dag_id="nightly"),
    "params": {"ds": "2026-03-01"},
    "exception": RuntimeError("movies is neither complete nor refused with a reason"),
}
TEXT = "Encore: run r of nightly failed: movies is neither complete nor refused with a reason"


@pytest.fixture
def webhook():
    """An address, and the bodies that were posted to it."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/secret", bodies
    server.shutdown()
    server.server_close()


def test_the_notice_goes_to_every_place(webhook, monkeypatch):
    address, bodies = webhook
    sent = []
    monkeypatch.setattr(notices, "send_email", lambda *words: sent.append(words))
    monkeypatch.setenv("ENCORE_WEBHOOK", address)
    monkeypatch.setenv("ENCORE_EMAIL", "a@example.org,b@example.org")
    RunFailed().notify(CONTEXT)
    error = str(CONTEXT["exception"])
    assert bodies == [{"text": TEXT, "dag": "nightly", "run": "r", "ds": "2026-03-01", "error": error}]
    assert sent == [(["a@example.org", "b@example.org"], TEXT, TEXT)]


def test_a_service_that_is_away_is_a_line_without_its_address(monkeypatch, capfd):
    monkeypatch.setenv("ENCORE_WEBHOOK", "http://127.0.0.1:1/secret")
    monkeypatch.delenv("ENCORE_EMAIL", raising=False)
    RunFailed().notify(CONTEXT)
    log = "".join(capfd.readouterr())
    assert "the webhook was not sent: URLError" in log
    assert TEXT in log
    assert "secret" not in log


def test_a_webhook_is_an_address_of_the_web(monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("ENCORE_WEBHOOK", (tmp_path / "file").as_uri())
    RunFailed().notify(CONTEXT)
    assert "the webhook was not sent: ValueError" in "".join(capfd.readouterr())


@pytest.mark.usefixtures("movies_alone")
def test_a_failed_night_sends_it(night, webhook, monkeypatch):
    address, bodies = webhook
    monkeypatch.setenv("ENCORE_WEBHOOK", address)
    state, _, _ = night({"domains": ["movies"], "ds": "2026-03-01"}, {"publish": 2})
    assert state == "failed"
    assert [body["dag"] for body in bodies] == ["nightly"]
    assert "movies is neither complete nor refused with a reason" in bodies[0]["error"]
