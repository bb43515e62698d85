"""The server: signing in, sessions, and requests that come twice."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import suppress

import duckdb
import fakesnow.arrow
import fakesnow.cursor
import fakesnow.info_schema
import fakesnow.macros
import fakesnow.server
import fakesnow.transforms
import fakesnow.transforms.transforms
import fakesnow.variables
from snowflake.connector.errors import Error
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.snowflake.statements import SYSTEM_ROLES, account_objects


class Sessions(dict):
    """The open sessions by token; one that ends takes its temporary tables with it, and
    what it has not committed."""

    def __delitem__(self, token: str) -> None:
        connection = self.pop(token)
        last_requests.pop(token, None)
        with suppress(Error, duckdb.Error):
            connection.cursor().execute("rollback")
        for kind, name in getattr(connection, "temporary_tables", []):
            connection.cursor().execute(f"drop {kind} if exists {name}")


async def login(request: Request) -> JSONResponse:
    """fakesnow's answer has no master token, without which a client never says that
    its session has ended; it knows no role either."""
    role = (request.query_params.get("roleName") or "").strip('"').upper()
    made = {name for kind, name in account_objects if kind == "ROLE"}
    if made and role and role not in made | SYSTEM_ROLES:
        message = f"Role '{role}' specified in the connect string does not exist or not"
        details = {"errorCode": "390189", "sqlState": "08001"}
        message += " authorized. Contact your local system administrator."
        refused = {"data": details, "code": "390189", "message": message}
        return JSONResponse(refused | {"success": False})
    answer = json.loads((await fakesnow.server.login_request(request)).body)
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    connection = fakesnow.server.sessions[answer["data"]["token"]]
    connection.user = json.loads(body)["data"].get("LOGIN_NAME", "")
    connection.role = role
    answer["data"]["masterToken"] = answer["data"]["token"]
    answer["data"]["validityInSeconds"] = 36000
    answer["data"]["masterValidityInSeconds"] = 36000
    return JSONResponse(answer)


# By session: the id of its last request, and the answer, which may be yet to come.
last_requests: dict[str, tuple[str | None, asyncio.Task[JSONResponse]]] = {}


async def query(request: Request) -> JSONResponse:
    """A client that has waited for a minute sends its request again, with the same
    `requestId`: the statement runs once, and both requests get its answer."""
    token = request.headers.get("Authorization", "")[17:-1]
    request_id = request.query_params.get("requestId")
    last_id, answer = last_requests.get(token, (None, None))
    if not answer or request_id is None or request_id != last_id:
        answer = asyncio.create_task(run_query(request))
        last_requests[token] = request_id, answer
    return await asyncio.shield(answer)


async def run_query(request: Request) -> JSONResponse:
    """An answer that fakesnow cannot give is an error of the statement; as an HTTP 500
    clients would repeat it for minutes."""
    try:
        return await fakesnow.server.query_request(request)
    except Exception as error:
        message = f"fakesnow: {type(error).__name__}: {error}"
    details = {"errorCode": "000002", "sqlState": "0A000"}
    failure = {"data": details, "code": "000002", "message": message, "success": False}
    return JSONResponse(failure)


SHIMMED = {"login_request": login, "query_request": query}
ROUTES = [
    Route(
        route.path,
        SHIMMED.get(route.name, route.endpoint),
        methods=list(route.methods),
    )
    for route in fakesnow.server.routes
]
