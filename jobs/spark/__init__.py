"""Spark: the session of a job, the Spark Connect server of a run, and how events are read.

Jobs that compute on Spark import it, and `jobs.similarity`. Begin with `session.py`.
"""
