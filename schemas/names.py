"""Names that DAGs, jobs and tests share. Standard library only: this is all that a DAG may import of Encore."""

DOMAINS = ("movies", "music", "games")

# In the order of publication: what others refer to comes first, `runs` (which makes a night complete) last.
TABLES = (
    "files",
    "rejected",
    "interactions",
    "items",
    "users",
    "reviews",
    "vocabulary",
    "item_similarity",
    "user_similarity",
    "recommendations",
    "metrics",
    "models",
    "runs",
)

MODELS = ("popularity", "item_knn")
