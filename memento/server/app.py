"""The agent over HTTP: LangServe at /memento, with its playground."""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from langserve import add_routes
from pydantic import ValidationError
from starlette.middleware.trustedhost import TrustedHostMiddleware

from memento.errors import MementoError, UsageError
from memento.memory import CaseBank
from memento.memory.namespace import checked_namespace
from memento.server.guard import Guard, refuse
from memento.server.runnable import NOT_SET, Served, given_to
from memento.server.schema import Report, Task
from memento.settings import Settings

PATH = "/memento"

Identify = Callable[[Request], str]


def build_app(
    settings: Settings, bank: CaseBank, identify: Identify | None = None, hosts: Sequence[str] | None = None
) -> FastAPI:
    """The agent as a FastAPI app.

    `identify(request)` says whose request it is: the name of the namespace that it works in, and of the
    threads it can reach. Raise fastapi's HTTPException in it to turn a request away. Without it everybody
    shares the settings' namespace. `hosts` are the names under which the server may be addressed, None for
    any: a local server should name its own, or a web page could reach it under a name that it controls.
    """
    served = Served(settings, bank)
    app = FastAPI(title="Memento", docs_url=None, redoc_url=None)
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse(f"{PATH}/playground/")

    @router.get("/ok")
    async def ok() -> dict[str, bool]:
        return {"ok": True}

    async def configure(config: dict[str, Any], request: Request) -> dict[str, Any]:
        config["configurable"] = {
            **given_to(config),
            **({"namespace": _namespace_of(identify, request)} if identify else {}),
        }
        _refuse_unknown(await request.json())
        served.context(config)
        return config

    add_routes(
        router,
        served.with_types(input_type=Task, output_type=Report),
        path=PATH,
        per_req_config_modifier=configure,
    )
    app.include_router(router)
    app.add_middleware(Guard)
    if hosts is not None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    for kind in (ValidationError, RequestValidationError, UsageError, UnicodeDecodeError, RecursionError):
        app.add_exception_handler(kind, _refusal)
    app.add_exception_handler(MementoError, _failure)
    return app


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _refusal(_: Request, error: Exception) -> JSONResponse:
    """What was wrong with the request, in one line."""
    if isinstance(error, UsageError):
        return refuse(400, str(error))
    if isinstance(error, ValidationError | RequestValidationError) and error.errors():
        return refuse(422, _problem(error.errors()[0]))
    return refuse(422, "the request could not be read")


def _problem(first: Any) -> str:
    if not isinstance(first, dict):
        return str(first)
    where = ".".join(str(part) for part in first.get("loc", ()))
    message = str(first.get("msg", "")).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


async def _failure(_: Request, error: Exception) -> JSONResponse:
    return refuse(500, str(error))


def _refuse_unknown(body: Any) -> None:
    """Say so where a request sets what it may not, rather than pass over it."""
    configs = body.get("config") or {}
    for config in configs if isinstance(configs, list) else [configs]:
        refused = sorted(NOT_SET & set(config.get("configurable") or {})) if isinstance(config, dict) else []
        if refused:
            raise UsageError(f"a request cannot set {refused[0]}: that is the server's")


def _namespace_of(identify: Identify, request: Request) -> str:
    name = identify(request)
    if not isinstance(name, str) or not name.strip():
        raise HTTPException(401, "it is not known who asks")
    return checked_namespace(name)
