"""Benchmarks: how accurate the models are and how fast a night is, measured on real or generated data.

Run them from the root of the clone, as `python -m benchmarks.<package>[.<module>]`; they import jobs, models and
schemas, and nothing else imports them. Begin with `accuracy/__main__.py`, then `similarity/__main__.py`;
`measurements.py` writes docs/measurements from their results.
"""
