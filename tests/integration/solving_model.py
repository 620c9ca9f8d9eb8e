"""A scripted model for the OpenAI stub that solves tasks such as "What is 2 + 3?" with one tool call."""

import re
from typing import Any

from tests.openai_stub import Reply, Request

KEY = "sk-test-secret-0123456789abcdef"
_SUM = re.compile(r"\d+ \+ \d+")


def solve(request: Request) -> Reply | dict[str, Any]:
    """Plan one subtask whose result is the answer, call `calculate` for it, and judge every answer right."""
    if request.schema_name == "judgement":
        return {"rationale": "as it should be", "score": 1}
    asked = _SUM.findall(request.text)[-1]
    if request.schema_name == "plan":
        wanted = (
            request.response_format["json_schema"]["schema"]["properties"] if request.response_format else {}
        )
        plan: dict[str, Any] = {
            "answer": None,
            "last_result_is_answer": True,
            "subtasks": [f"Calculate {asked}"],
        }
        return plan | ({"used_cases": []} if "used_cases" in wanted else {})
    if request.messages[-1]["role"] == "tool":
        return Reply(str(request.messages[-1]["content"]))
    return Reply(tool_calls=[("calculate", {"expression": asked})])
