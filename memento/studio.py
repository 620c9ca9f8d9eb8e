"""The graph that langgraph.json names. The server reads this module's dictionary, so it exists at once;
nothing is opened before its first run.
"""

from memento.api import build_graph

graph = build_graph()
