"""An Iceberg REST catalog on the loopback: the calls that PyIceberg makes, in front of its own SQL catalog.

No registry that this project may use has a small REST catalog server, so this one keeps to the specification's paths,
bodies, status codes and error types, and leaves requirements, conflicts and metadata to PyIceberg.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableRequest, Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder

TOKEN = "token-of-the-tests"
ERRORS = {
    NoSuchTableError: (404, "NoSuchTableException"),
    NoSuchNamespaceError: (404, "NoSuchNamespaceException"),
    TableAlreadyExistsError: (409, "AlreadyExistsException"),
    NamespaceAlreadyExistsError: (409, "AlreadyExistsException"),
    CommitFailedException: (409, "CommitFailedException"),
}
Body = dict[str, Any]


@contextmanager
def rest_catalog(catalog: SqlCatalog) -> Iterator[str]:
    """The address of a REST catalog over `catalog`; it wants TOKEN."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"catalog": catalog}))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    catalog: SqlCatalog
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, answer = _error(401, "NotAuthorizedException", "no or a wrong token")
            else:
                path = self.path.partition("?")[0].removeprefix("/v1/").split("/")
                status, answer = 200, self._call(method, path, json.loads(body or b"{}"))
        except tuple(ERRORS) as error:
            status, answer = _error(*ERRORS[type(error)], str(error))
        content = b"" if answer is None or method == "HEAD" else json.dumps(answer).encode()
        self.send_response(204 if status == 200 and not content else status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _call(self, method: str, path: list[str], body: Body) -> Body | None:
        match method, path:
            case "GET", ["config"]:
                return {"defaults": {}, "overrides": {}}
            case "GET", ["namespaces"]:
                return {"namespaces": [list(name) for name in self.catalog.list_namespaces()]}
            case "POST", ["namespaces"]:
                self.catalog.create_namespace(tuple(body["namespace"]), body.get("properties", {}))
                return {"namespace": body["namespace"], "properties": {}}
            case (("GET" | "HEAD"), ["namespaces", namespace]):
                return {"namespace": [namespace], "properties": self.catalog.load_namespace_properties(namespace)}
            case "GET", ["namespaces", namespace, "tables"]:
                result = self.catalog.list_tables(namespace)
                return {"identifiers": [{"namespace": [namespace], "name": name[-1]} for name in result]}
            case "POST", ["namespaces", namespace, "tables"]:
                return self._create(namespace, body)
            case (("GET" | "HEAD"), ["namespaces", namespace, "tables", name]):
                return _loaded(self.catalog.load_table((namespace, name)))
            case "POST", ["namespaces", namespace, "tables", name]:
                return self._commit(namespace, name, body)
            case "DELETE", ["namespaces", namespace, "tables", name]:
                self.catalog.drop_table((namespace, name))
                return None
        raise NoSuchTableError(f"{method} {self.path}")

    def _create(self, namespace: str, body: Body) -> Body:
        if self.catalog.table_exists((namespace, body["name"])):
            raise TableAlreadyExistsError(body["name"])
        spec, order = body.get("partition-spec"), body.get("write-order")
        make = self.catalog._create_staged_table if body.get("stage-create") else self.catalog.create_table
        return _loaded(
            make(
                (namespace, body["name"]),
                Schema.model_validate(body["schema"]),
                body.get("location"),
                PartitionSpec.model_validate(spec) if spec else UNPARTITIONED_PARTITION_SPEC,
                SortOrder.model_validate(order) if order else UNSORTED_SORT_ORDER,
                body.get("properties") or {},
            )
        )

    def _commit(self, namespace: str, name: str, body: Body) -> Body:
        request = CommitTableRequest.model_validate({"identifier": {"namespace": [namespace], "name": name}, **body})
        try:
            table = self.catalog.load_table((namespace, name))
        except NoSuchTableError:  # a table that was staged is made by its first commit
            schema = Schema()
            table = self.catalog._create_staged_table((namespace, name), schema)
        done = self.catalog.commit_table(table, request.requirements, request.updates)
        return {"metadata-location": done.metadata_location, "metadata": json.loads(done.metadata.model_dump_json())}


def _loaded(table: Table) -> Body:
    metadata = json.loads(table.metadata.model_dump_json())
    return {"metadata-location": table.metadata_location, "metadata": metadata, "config": {}}


def _error(code: int, kind: str, message: str) -> tuple[int, Body]:
    return code, {"error": {"message": message, "type": kind, "code": code}}
