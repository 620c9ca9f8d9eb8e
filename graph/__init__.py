"""The state machine."""

from memento.graph.agent import Agent, compile_agent
from memento.graph.context import Context
from memento.graph.evaluation import Evaluation, Evaluator, RunView
from memento.graph.parts import Model, Parts
from memento.graph.state import Input, State

__all__ = [
    "Agent",
    "Context",
    "Evaluation",
    "Evaluator",
    "Input",
    "Model",
    "Parts",
    "RunView",
    "State",
    "compile_agent",
]
