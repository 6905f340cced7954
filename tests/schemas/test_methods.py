"""Names of methods: what they mean, and what is wrong with those that mean nothing."""

from dataclasses import replace

import pytest

from schemas.domains import MOVIES
from schemas.methods import Method


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("cosine", Method((), False, "cosine")),
        ("recency+bm25+cosine", Method(("recency", "bm25"), False, "cosine")),
        ("centred+shrunk+cosine", Method(("centred",), True, "cosine")),
        ("shrunk+jaccard", Method((), True, "jaccard")),
        ("bm25+centred+cosine", Method(("bm25", "centred"), False, "cosine")),
        ("tf_idf+hybrid", Method(("tf_idf",), False, "hybrid")),
    ],
)
def test_a_name_says_what_is_applied_in_which_order(name: str, method: Method) -> None:
    assert Method.named(name) == method


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pearson", "method 'pearson' must end in one of cosine, jaccard, log_likelihood, content, hybrid"),
        ("cosine+bm25", "must end in one of"),
        ("idf+cosine", "there is no weighting 'idf'; there are: binary, centred, adjusted, tf_idf, bm25, recency"),
        ("bm25+recency+bm25+cosine", "names a weighting twice"),
        ("shrunk+bm25+cosine", "shrunk stands right before cosine or jaccard"),
        ("shrunk+hybrid", "shrunk stands right before cosine or jaccard"),
        ("bm25+jaccard", "jaccard takes no weighting"),
        ("recency+content", "content takes no weighting"),
        ("adjusted+recency+bm25+cosine", "bm25 takes no negative values, as adjusted makes them"),
        ("", "must end in one of"),
    ],
)
def test_names_that_mean_nothing_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Method.named(name)
    with pytest.raises(ValueError, match=rf"^domains\.movies\.user_methods: .*{message}"):
        replace(MOVIES, user_methods=("cosine", name))


@pytest.mark.parametrize("names", [(), ("cosine", "cosine")])
def test_a_domain_names_some_methods_once(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="item_methods must name at least one method, and none twice, got"):
        replace(MOVIES, item_methods=names)


def test_a_method_is_a_text() -> None:
    with pytest.raises(ValueError, match="item_methods: "):
        replace(MOVIES, item_methods=(3,))  # type: ignore[arg-type]
