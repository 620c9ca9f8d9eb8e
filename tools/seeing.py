"""Asking a model that sees, which is handed in as a function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from langchain_core.tools import ToolException

See = Callable[[str, Sequence[bytes]], Awaitable[str]]
"""From a question and pictures (JPEG) to the model's answer."""

SECONDS = 28.0
MAX_QUESTION = 2_000


async def ask_about(see: See | None, question: str, pictures: Sequence[bytes]) -> str:
    """The model's answer about the pictures.

    Raises:
        ToolException: there is none. The client's own message stays out: it may hold a key or an address.
    """
    if see is None or not question.strip():
        raise ToolException("ask a question about it" if see else "there is no model that sees")
    try:
        async with asyncio.timeout(SECONDS):
            answer = await see(question, pictures)
    except TimeoutError:
        raise ToolException(
            f"the model that sees did not answer in {SECONDS:g} seconds: try once more"
        ) from None
    except Exception as error:  # noqa: BLE001  (each client has errors of its own)
        raise ToolException(
            f"the model that sees failed ({type(error).__name__}): go on without it"
        ) from None
    if not answer.strip():
        raise ToolException("the model that sees said nothing: ask in other words")
    return answer
