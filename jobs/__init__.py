"""Jobs of a night and interactive commands: they read tables, call `models`, and write tables.

`jobs/*.py` is what can be called (`commands.py` lists it) and its frame; what commands share lies in the packages. The
frame: the command line (`cli`, `commands`, `terminal`, `output`, `errors`), how a job runs (`job`, `night`, `states`,
`contracts`, `known_ids`, `version`), its settings (`settings`, `addresses`, `backend`), and its process (`forkserver`,
`warm`, `usage`, `worker_server`, `local_airflow`). DAGs import nothing of it, they call `encore JOB`. Begin with
`commands.py`, then `job.py` and `night.py`.
"""
