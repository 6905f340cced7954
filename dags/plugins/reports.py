"""Nightly HTML reports in the Airflow UI, for users who are logged in and may see the DAG and read the domain.

ENCORE_REPORT_READERS, in the environment of the API server, names the users that may read the reports of a domain, as
JSON: `{"movies": ["ann", "bob"]}`. Reports of a domain that it does not name are for all who may see the DAG.

A page lies beside its run, where `encore report` has written it:
`<warehouse>/runs/<domain>/<ds>/<run>/report/<attempt>/report.html`, with the attempt that counts in
`…/<run>/manifest/report.json`. Local warehouses need nothing more; for another the environment of the API server needs
what fsspec asks for (s3fs, gcsfs, …) and access to it.
"""

import json
import os
from collections.abc import Mapping
from html import escape
from typing import Annotated, NamedTuple
from urllib.parse import quote, urlencode

import fsspec
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from dags.common import DOMAINS, REPORTS, base_path, page_url, warehouse
from schemas.names import NAME, NightState

DAG_ID = "nightly"
READERS = "ENCORE_REPORT_READERS"
STATES = tuple(NightState)
MAX_REPORTS = 300  # reports in the list; a filter shows older ones of a domain
# No script, nothing from outside, no frame but Airflow's own: a page shows untrusted text.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Day = Annotated[str, Path(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Run = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]+$", max_length=250)]

app = FastAPI(
    title="Encore reports",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(requires_access_dag("GET", param_dag_id=DAG_ID))],
)


@app.exception_handler(401)
def log_in(request: Request, error: HTTPException) -> Response:
    """Redirects a browser to the login, and from there back; tells a program that it needs a token."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"{base_path()}/api/v2/auth/login?next={quote(str(request.url))}", 303)
    return JSONResponse({"detail": error.detail}, 401)


@app.get("/")
def index(user: GetUserDep, domain: str | None = None, state: str | None = None) -> HTMLResponse:
    """Lists the nights that have a report and may be read, newest first: all, or those of a domain or a state."""
    domain = domain if domain and NAME.fullmatch(domain) else None
    state = state if state in STATES else None
    closed = closed_domains(user.get_name())
    chosen = [page for page in pages(domain, closed) if state in (None, page.state)]
    return HTMLResponse(listing(chosen, domain, state, closed), headers=HEADERS)


@app.get("/{domain}/{ds}/{run}")
def report(user: GetUserDep, domain: str, ds: Day, run: Run) -> HTMLResponse:
    """The page of one run."""
    if not NAME.fullmatch(domain):
        raise HTTPException(404, f"{domain!r} is not the name of a domain")
    if domain in closed_domains(user.get_name()):
        raise HTTPException(403, f"{READERS} does not name you for {domain}")
    fs, root = store()
    folder = f"{root}/runs/{domain}/{ds}/{run}"
    try:
        entry = json.loads(fs.cat_file(f"{folder}/manifest/report.json"))
        content = fs.cat_file(f"{folder}/report/{entry['attempt']}/report.html")
    except FileNotFoundError:
        raise HTTPException(404, f"run {run} of {domain} {ds} has no page") from None
    return HTMLResponse(content, headers=HEADERS)


def closed_domains(user: str) -> frozenset[str]:
    """The domains whose reports a user may not read; nobody reads any where the setting is broken."""
    try:
        readers = json.loads(os.environ.get(READERS) or "{}")
        whole = all(isinstance(names, list) for names in readers.values())
    except (ValueError, AttributeError):
        whole = False
    if not whole:
        raise HTTPException(503, f'{READERS} must be as {{"movies": ["ann"]}}')
    return frozenset(domain for domain, names in readers.items() if user not in names)


def store() -> tuple[fsspec.AbstractFileSystem, str]:
    """The warehouse's file system and its path in it."""
    address = warehouse()
    try:
        fs, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise HTTPException(501, f"the pages of {address} are not served here: {error}") from error
    return fs, root


class Page(NamedTuple):
    """A report of a run, and what is known of it: `-` where an older Encore has written it."""

    domain: str
    ds: str
    run: str
    state: str
    champion: str


def pages(domain: str | None = None, closed: frozenset[str] = frozenset()) -> list[Page]:
    """The newest MAX_REPORTS reports, of all domains but the closed ones or of one, the newest night first."""
    fs, root = store()
    every = [str(entry) for entry in fs.glob(f"{root}/runs/{domain or '*'}/*/*/manifest/report.json")]
    manifests = [entry for entry in every if entry.split("/")[-5] not in closed]
    newest = sorted(manifests, key=lambda entry: entry.split("/")[-4:-2], reverse=True)[:MAX_REPORTS]
    made = []
    for entry, content in fs.cat(newest).items() if newest else ():
        facts = json.loads(content)["facts"]
        one, ds, run = str(entry).split("/")[-5:-2]
        made.append(Page(one, ds, run, facts.get("state") or "-", facts.get("champion") or "-"))
    return sorted(made, key=lambda page: (page.ds, page.run), reverse=True)


def listing(
    reports: list[Page],
    domain: str | None = None,
    state: str | None = None,
    closed: frozenset[str] = frozenset(),
) -> str:
    """A small page with a link to each, and links that filter."""
    rows = "".join(
        f'<tr><th scope="row">{escape(page.ds)}</th><td>{escape(page.domain)}</td><td>{escape(page.state)}</td>'
        f"<td>{escape(page.champion)}</td>"
        f'<td><a href="{escape(page_url(page.domain, page.ds, page.run))}">{escape(page.run)}</a></td></tr>'
        for page in reports
    )
    domains = tuple(dict.fromkeys(name for name in (*DOMAINS, domain) if name and name not in closed))
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("night", "domain", "state", "champion", "run"))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reports – Encore</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }}
nav a, nav b {{ margin-right: 1rem; }}
</style></head><body><h1>Reports</h1>
<nav aria-label="Domain"><p>{choices("domain", domains, domain, {"state": state})}</p></nav>
<nav aria-label="State"><p>{choices("state", STATES, state, {"domain": domain})}</p></nav>
<table><thead><tr>{heads}</tr></thead>
<tbody>{rows}</tbody></table>{"" if reports else "<p>No night has such a report yet.</p>"}</body></html>"""


def choices(name: str, values: tuple[str, ...], chosen: str | None, others: Mapping[str, str | None]) -> str:
    """A link for each value of a filter and one for all; the chosen one is bold."""
    kept = {key: value for key, value in others.items() if value}
    links = []
    for value in (None, *values):
        query = urlencode({**kept, **({name: value} if value else {})})
        label = escape(value or f"every {name}")
        href = escape(f"{base_path()}{REPORTS}/?{query}".rstrip("?"))
        links.append(f"<b>{label}</b>" if value == chosen else f'<a href="{href}">{label}</a>')
    return "".join(links)


class Reports(AirflowPlugin):
    """Serves the pages, and names them in the UI's menu."""

    name = "encore_reports"
    fastapi_apps = [{"app": app, "url_prefix": REPORTS, "name": "Encore reports"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Encore reports",
            "href": f"{base_path()}{REPORTS}/",
            "destination": "nav",
            "category": "browse",
        }
    ]
