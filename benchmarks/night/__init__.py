"""A night's other parts: import, lists from vectors, judging, look-ups in the published tables, parsing of the DAG.

Each module is a command of its own.
"""
