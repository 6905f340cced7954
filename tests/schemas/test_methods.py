"""Names of methods: what they mean, and what is wrong with those that mean nothing."""

import pytest

from schemas.methods import Method, are_methods


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
    assert Method.parse(name) == method


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
        Method.parse(name)
    with pytest.raises(ValueError, match=message):
        are_methods(("cosine", name))


@pytest.mark.parametrize("names", [(), ("cosine", "cosine")])
def test_a_domain_names_some_methods_once(names: tuple[str, ...]) -> None:
    assert not are_methods(names)
    assert are_methods(("cosine", "content"))
