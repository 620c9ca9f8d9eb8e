"""Whether the demo's tasks are offered the tools that they need, with every tool there and no model: by the
descriptions alone, and by a bank of the demo's seed cases as well, of which none is shown.

Run: python bench/tool_choice.py [--tasks 700] [--seed 0]
"""

import argparse
from collections import Counter
from collections.abc import Callable, Collection

import numpy as np

from memento.demo.families import FAMILIES, DemoTask, draw_tasks, seed_task
from memento.graph.tool_choice import offered_tools
from memento.memory.embeddings import CachedEncoder, MiniLM
from memento.tools import ToolConfig, all_tools

MOST = 12
NEAR = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=700)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    encoder = CachedEncoder(MiniLM(), size=4096)
    seeds = [seed_task(family) for family in FAMILIES]
    vectors = encoder.embed([seed.task for seed in seeds])

    def near(task: DemoTask) -> set[str]:
        likest = np.argsort(-(vectors @ encoder.embed([task.task])[0]))[:NEAR]
        return {step.tool for place in likest for step in seeds[place].steps}

    tasks = draw_tasks(given.tasks, given.seed)
    print(f"{len(all_tools(ToolConfig()))} tools, {MOST} offered, {len(tasks)} tasks")
    report("by the descriptions alone", tasks, encoder, lambda _: ())
    report("with a bank of the seed cases, none shown", tasks, encoder, near)


def report(
    how: str, tasks: list[DemoTask], encoder: CachedEncoder, near: Callable[[DemoTask], Collection[str]]
) -> None:
    tools = all_tools(ToolConfig())
    missing: Counter[tuple[str, str]] = Counter()
    offered = 0
    for task in tasks:
        chosen = offered_tools(task.task, tools, (), near(task), MOST, encoder.embed)
        lacking = {step.tool for step in task.steps} - set(chosen)
        offered += not lacking
        missing.update((task.family, tool) for tool in lacking)
    print(f"{how}: {offered / len(tasks):.1%} are offered all tools that they need")
    for (family, tool), count in missing.most_common():
        print(f"  {family} lacks {tool}: {count}")


if __name__ == "__main__":
    main()
