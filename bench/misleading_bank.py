"""A small frozen model with a case bank of which a quarter is misleading, chosen from in three ways.

The real local model, graph, tools and banks. A misleading case has a task like its family's others and is
marked as a success, but called the wrong tool, or the right one with the wrong arguments. Arms: similarity
and auto on that bank, clean is auto on the bank without the misleading cases, none shows nothing. They meet
the same tasks in the same order.

Modes: fixed (outcomes teach the choice, the bank stays), growing (runs become cases), noisy-judge (growing,
and every fourth failure is called a success; reported is the true success), single (growing from one good
case: does the choice collapse onto it?).

The full figures, hours on two cores; it goes on where it was stopped:
    for mode in fixed growing noisy-judge single; do
        OMP_NUM_THREADS=2 python bench/misleading_bank.py --mode $mode --families both --tasks 300 --seeds 3 \
            --out bench-runs/misleading
    done
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from memento.demo.misleading import SETS
from memento.demo.misleading_report import print_report, summary
from memento.demo.misleading_run import MODES, POLICIES, Plan, run_plan
from memento.errors import UsageError
from memento.local_model import weights
from memento.memory.embeddings import MiniLM

_ARMS = {"single": "none,similarity,auto"}  # there is nothing to clean in a bank of one case
_USUAL_ARMS = "clean,similarity,auto"


def plans(options: argparse.Namespace) -> list[Plan]:
    """What the options ask for, a plan a set of families.

    Raises:
        UsageError: they cannot be meant.
    """
    given = options.arms or _ARMS.get(options.mode, _USUAL_ARMS)
    names = list(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    arms = tuple(arm for arm in POLICIES if arm in names)
    if not arms or len(arms) != len(names):
        raise UsageError(f"there are no arms {given!r}: use some of {', '.join(POLICIES)}")
    if min(options.tasks, options.seeds) < 1 or options.seed < 0 or options.k < 1:
        raise UsageError("--tasks, --seeds and --k are whole numbers from 1, --seed from 0")
    return [
        Plan(
            set_name=name,
            mode=options.mode,
            arms=arms,
            seeds=tuple(range(options.seed, options.seed + options.seeds)),
            tasks=options.tasks,
            k=options.k,
        )
        for name in (SETS if options.families == "both" else [options.families])
    ]


def run(options: argparse.Namespace) -> None:
    weights()
    wanted, encoder, found = plans(options), MiniLM(), []
    for plan in wanted:
        outcomes = run_plan(plan, options.out, encoder=encoder, quiet=options.json)
        found.append(summary(plan, outcomes))
        if not options.json:
            print_report(plan, outcomes)
        if len(outcomes) < plan.tasks * len(plan.arms) * len(plan.seeds):
            break  # it was stopped
    if options.json:
        print(json.dumps({"out": str(options.out), "plans": found}))
    else:
        print(f"results and memories: {options.out} (the same --out goes on)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", choices=[*SETS, "both"], default="demo")
    parser.add_argument("--mode", choices=MODES, default="fixed")
    parser.add_argument("--arms", help=f"default: {_USUAL_ARMS}; in single {_ARMS['single']}")
    parser.add_argument("--tasks", type=int, default=300, help="a seed")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--k", type=int, default=4, help="at most so many cases are shown")
    dated = Path("bench-runs") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    parser.add_argument("--out", type=Path, default=dated, help="a folder; one of an earlier run goes on")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    try:
        run(parser.parse_args())
    except UsageError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
