"""A short run that shows the agent learning from its own cases."""
