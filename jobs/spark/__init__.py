"""The Spark session of a job, the Spark Connect server of a run, and a night's events as DataFrames.

Jobs that compute on Spark and `jobs.similarity` import it; it imports the frame and storage, never Keras or a job.
Begin with `session`.
"""
