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
    "item_vectors",
    "recommendations",
    "continuations",
    "metrics",
    "models",
    "runs",
)

MODELS = (
    "popularity",
    "item_knn",
    "user_knn",
    "content_knn",
    "hybrid_knn",
    "ease",
    "ncf",
    "lstm",
    "sasrec",
    "two_tower",
    "seq2seq",
    "ensemble",
)
# Those of Keras: they train on GPU workers where there are any.
NEURAL = ("ncf", "lstm", "sasrec", "two_tower", "seq2seq")
ENSEMBLE = "ensemble"  # combines the others, so it comes after them
ON_GPU = (*NEURAL, ENSEMBLE)  # champions that make lists on GPU workers: members of an ensemble may be networks
SENTIMENT = "review_sentiment"  # judges reviews, not items: settings of its own, but no train task
