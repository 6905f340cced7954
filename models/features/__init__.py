"""What items and users are like, as vectors: TF-IDF of texts, weightings, profiles, categories, words, posters.

Features import `models.data` and `models.histories` alone; recommenders, layers and the similarity jobs import them.
Begin with `content` (items by their texts) and `weighting` (what an entry of a matrix counts).
"""
