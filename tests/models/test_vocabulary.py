"""Fingerprints of item ids: later nights only add rows, anything else is another vocabulary."""

import hashlib
from pathlib import Path

import pytest

from models.base import TrainingData
from models.classic.popularity import Popularity
from models.vocabulary import Vocabulary, VocabularyError
from tests.support.examples import N_ITEMS, example

IDS = [f"item {row}" for row in range(N_ITEMS)]


def test_a_fingerprint_by_hand() -> None:
    text = '["a", null, "\\u00e9"]'
    assert Vocabulary.of(["a", None, "é"]) == (3, hashlib.sha256(text.encode()).hexdigest())


@pytest.mark.parametrize("ids", [["ab"], ["a", "b"], ["b", "a"], ["a", None], ['a", "b'], []])
def test_other_ids_have_another_fingerprint(ids: list[str | None]) -> None:
    others = [["ab"], ["a", "b"], ["b", "a"], ["a", None], ['a", "b'], []]
    assert [Vocabulary.of(other) == Vocabulary.of(ids) for other in others].count(True) == 1


def test_a_model_of_another_vocabulary_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    Popularity().fit(TrainingData(example())).save(tmp_path, IDS)
    for same in (IDS, [*IDS, "a new one"]):
        assert Popularity.load(tmp_path, same).name == "popularity"
    for others in (IDS[::-1], IDS[:-1], ["a new one", *IDS]):
        with pytest.raises(VocabularyError) as error:
            Popularity.load(tmp_path, others)
        for ids in (IDS, others[:N_ITEMS]):
            assert f"{len(ids)} items with the fingerprint {Vocabulary.of(ids).sha256[:16]}" in str(error.value)


def test_a_model_without_a_fingerprint_is_of_no_known_vocabulary(tmp_path: Path) -> None:
    Popularity().fit(TrainingData(example())).save(tmp_path)
    assert Popularity.load(tmp_path).name == "popularity"
    with pytest.raises(VocabularyError, match="popularity was saved without the fingerprint of its items"):
        Popularity.load(tmp_path, IDS)
