"""Wait for a person's decision on tool calls."""

from langgraph.types import interrupt

from memento.graph.approval import decisions, request
from memento.graph.parts import Run
from memento.graph.state import State, Update


async def approve(state: State, _run: Run) -> Update:
    """Interrupt the run; it goes on, here, with `Command(resume=...)`."""
    waiting = (state["paused"] or {}).get("waiting", [])
    return {"decisions": decisions(waiting, interrupt(request(waiting)))}
