"""Evaluates one Python-syntax expression with sympy, node by node through an allow-list.

The text is never evaluated: it is parsed to a syntax tree, and only what is named here is computed, each
step after an estimate of its size. Imports are relative, because a worker runs this package without the
rest of Memento, so that it starts quickly.
"""
