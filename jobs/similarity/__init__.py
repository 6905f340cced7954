"""Item and user similarity on Spark: preferences, matrix blocks, nearest neighbours of all rows, features of content.

`item_similarity` and `user_similarity` import it; it never imports Keras. Begin with `table.py`, then `neighbours.py`.
"""
