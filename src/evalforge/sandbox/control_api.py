"""What only the sandbox has: its state and its faults over HTTP, for processes on the same machine."""

from ipaddress import ip_address

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from evalforge.sandbox.faults import Fault
from evalforge.sandbox.state import Sandbox

FAULTS = "/sandbox/faults"
STATE = "/sandbox/state"


class FaultList(msgspec.Struct, frozen=True):
    """The body of `PUT /sandbox/faults`: the faults that replace those in force, as `faults.Fault` has them."""

    faults: tuple[Fault, ...] = ()


def routes(sandbox: Sandbox) -> list[Route]:
    """`GET|PUT|DELETE /sandbox/faults` and `GET /sandbox/state`, refused with 403 to any but the loopback."""

    async def faults(request: Request) -> Response:
        if not _is_local(request):
            return _refused()
        if request.method == "PUT":
            try:
                wanted = msgspec.json.decode(await request.body(), type=FaultList)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                return JSONResponse({"errors": [str(error)]}, 400)
            sandbox.faults.set(wanted.faults)
        elif request.method == "DELETE":
            sandbox.faults.set(())
        return JSONResponse(msgspec.to_builtins(FaultList(sandbox.faults.listed())))

    def state(request: Request) -> Response:
        if not _is_local(request):
            return _refused()
        return JSONResponse({"spans": sandbox.span_count, "traces": sandbox.trace_count})

    return [
        Route(FAULTS, faults, methods=["GET", "PUT", "DELETE"]),
        Route(STATE, state, methods=["GET"]),
    ]


def _is_local(request: Request) -> bool:
    return request.client is not None and ip_address(request.client.host).is_loopback


def _refused() -> Response:
    return JSONResponse({"errors": ["only for the loopback"]}, 403)
