"""What items and users are like, as vectors: TF-IDF of texts, weightings, profiles, categories, words, posters.

Features import `models.data`, `models.histories` and `models.sorting` alone; models, layers and the jobs of
similarity and activity import them. Begin with `weighting` (what an entry of a matrix counts), then `content` (items by
their texts).
"""
