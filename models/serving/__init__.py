"""From scores to the lists that users get: fallbacks for little evidence, diversity, exploration, eligibility.

It stands above all models and imports them; jobs import it, and `models/compiled.py`, which compiles its loops. What
`recommend` publishes and `evaluate` judges is made by the same call. Begin with `lists`.
"""
