"""A night's other parts: import, lists from vectors, judging, look-ups in the published tables, parsing of the DAG.

Each module is a command of its own, which nothing imports; they import `benchmarks.shared`, jobs and models. Begin with
`increment.py`, a usual night task by task.
"""
