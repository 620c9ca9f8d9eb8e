"""The nodes, one file each: state and run in, update out."""

from memento.graph.nodes.approve import approve
from memento.graph.nodes.evaluate import evaluate
from memento.graph.nodes.execute_subtask import execute_subtask
from memento.graph.nodes.plan import plan
from memento.graph.nodes.retrieve_case import retrieve_case
from memento.graph.nodes.write_back import write_back

__all__ = ["approve", "evaluate", "execute_subtask", "plan", "retrieve_case", "write_back"]
