"""Jobs of a night and interactive commands: they read tables, call `models`, and write tables.

`jobs/*.py` is what can be called (`commands.py` lists it) and its frame; what commands share lies in the packages. DAGs
import nothing of it, they call `encore JOB`. Begin with `commands.py`, then `job.py` and `night.py`.
"""
