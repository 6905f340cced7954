"""The nights' pages in the UI of Airflow, for users who are logged in and may see the DAG.

A page lies beside its run, where `encore report` has written it:
`<warehouse>/runs/<domain>/<ds>/<run>/report/<attempt>/report.html`, with the attempt that counts in
`…/<run>/manifest/report.json`. Local warehouses need nothing more; for another the environment of the API server needs
what fsspec asks for (s3fs, gcsfs, …) and access to it.
"""

import json
from html import escape
from typing import Annotated
from urllib.parse import quote

import fsspec
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from dags.common import REPORTS, base_path, page_url, warehouse
from schemas.names import NAME

DAG_ID = "nightly"
# No script, nothing from outside, no frame but Airflow's own: the texts on a page are those of strangers.
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
    """Sends a browser to the login, and from there back; tells a program that it needs a token."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"{base_path()}/api/v2/auth/login?next={quote(str(request.url))}", 303)
    return JSONResponse({"detail": error.detail}, 401)


@app.get("/")
def index() -> HTMLResponse:
    """The nights that have a page, the newest first."""
    return HTMLResponse(listing(pages()), headers=HEADERS)


@app.get("/{domain}/{ds}/{run}")
def report(domain: str, ds: Day, run: Run) -> HTMLResponse:
    """The page of one run."""
    if not NAME.fullmatch(domain):
        raise HTTPException(404, f"{domain!r} is not the name of a domain")
    fs, root = store()
    folder = f"{root}/runs/{domain}/{ds}/{run}"
    try:
        entry = json.loads(fs.cat_file(f"{folder}/manifest/report.json"))
        content = fs.cat_file(f"{folder}/report/{entry['attempt']}/report.html")
    except FileNotFoundError:
        raise HTTPException(404, f"run {run} of {domain} {ds} has no page") from None
    return HTMLResponse(content, headers=HEADERS)


def store() -> tuple[fsspec.AbstractFileSystem, str]:
    """The warehouse's file system and its path in it."""
    address = warehouse()
    try:
        fs, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise HTTPException(501, f"the pages of {address} are not served here: {error}") from error
    return fs, root


def pages() -> list[tuple[str, str, str]]:
    """(domain, ds, run) of every page, the newest night first."""
    fs, root = store()
    entries = fs.glob(f"{root}/runs/*/*/*/manifest/report.json")  # of domains that are no longer configured too
    runs = [tuple(str(entry).split("/")[-5:-2]) for entry in entries]
    return sorted(((domain, ds, run) for domain, ds, run in runs), key=lambda page: (page[1], page[2]), reverse=True)


def listing(found: list[tuple[str, str, str]]) -> str:
    """A small page with a link to each."""
    rows = "".join(
        f'<tr><th scope="row">{escape(ds)}</th><td>{escape(domain)}</td>'
        f'<td><a href="{escape(page_url(domain, ds, run))}">{escape(run)}</a></td></tr>'
        for domain, ds, run in found
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reports – Encore</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 0 auto; padding: 1.5rem 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }}
</style></head><body><h1>Reports</h1>
<table><thead><tr><th scope="col">night</th><th scope="col">domain</th><th scope="col">run</th></tr></thead>
<tbody>{rows}</tbody></table>{"" if found else "<p>No night has a page yet.</p>"}</body></html>"""


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
