"""WHEN: thin files that say what runs, when and in which order. See `common.py` for what they share."""
