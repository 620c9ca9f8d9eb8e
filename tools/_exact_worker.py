"""Computes one expression that may take long, in a process of its own, with its caller holding the clock.

Reads {"source": …} from stdin and writes {"result": …} or {"refused": …} to stdout.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

# At the end of the path, so that no module of this folder hides one of the standard library's.
sys.path.append(str(Path(__file__).parent))

from exact.evaluation import evaluate  # type: ignore[import-not-found]
from exact.steps import Refused  # type: ignore[import-not-found]


def main() -> None:
    source = json.loads(sys.stdin.read())["source"]
    try:
        answer = {"result": evaluate(source, free=True)}
    except Refused as error:
        answer = {"refused": str(error)}
    except Exception:  # noqa: BLE001  (sympy raises many kinds; none of their messages helps a model)
        answer = {"refused": "this could not be computed; simplify it or compute it in parts"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
