"""Spark: the session of a job, the Spark Connect server of a run or a cluster's, and a night's events as DataFrames.

`session`, `server` and `cluster` begin and end what jobs compute on, `class_archive` has a server start faster;
`events`, `event_reader`, `times` and `parquet` read a night and write tables, `splits` parts it into training,
validation and test, `parts` is a shuffle by files. Jobs that compute on Spark and `jobs.similarity` import it; it
imports the frame and storage, never Keras or a job. Begin with `session.py`.
"""
