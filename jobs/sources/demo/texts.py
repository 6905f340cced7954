"""Titles, descriptions and tags of items: words that tell genre and style, with some that mislead."""

from dataclasses import dataclass

import numpy as np

from jobs.sources.demo.catalogue import Catalogue
from jobs.sources.demo.draws import Ints
from jobs.sources.demo.world import World

_OWN_SHARE = 0.8  # of the words; the others are of the second genre, or of any
_WORDS = 7  # per item: the first five for the description, the last two for the tags
_TITLE_SHARE = 0.9  # of titles are of the item's own genre


@dataclass(frozen=True)
class Texts:
    """Title, description and sorted tags by item row."""

    titles: list[str]
    descriptions: list[str]
    tags: list[list[str]]


def texts(world: World, items: Catalogue) -> Texts:
    """The words of all items. Parts of a series share their title."""
    draws, size = world.draws, world.size
    genre_words = [world.words.genres[name].split() for name in world.genres]
    style_words = [world.words.styles[name].split() for name in world.styles]
    keys = items.keys[:, None]
    # steps that are prime to ten never repeat one of a genre's ten words
    first, step = draws.below(10, "word", keys), np.array([1, 3, 7, 9])[draws.below(4, "word step", keys)]
    picked = ((first + step * np.arange(_WORDS)) % 10).tolist()
    frame = draws.below(len(world.words.frames), "frame", items.keys).tolist()
    style_word = draws.below(4, "style word", items.keys).tolist()
    source = _genre_of_words(world, items).tolist()
    styled = draws.below(size.styles, "any style", items.keys)
    styled = np.where(draws.uniform("style told", items.keys) < _OWN_SHARE, items.style, styled).tolist()
    titles = _titles(world, items)
    descriptions, tags = [], []
    for row, (numbers, genres) in enumerate(zip(picked, source, strict=True)):
        words = [genre_words[g][n] for g, n in zip(genres, numbers, strict=True)]
        text = world.words.frames[frame[row]].format(*words[:5], style_words[styled[row]][style_word[row]])
        descriptions.append(text[0].upper() + text[1:])
        tags.append(sorted({world.styles[styled[row]], *words[5:]}))
    return Texts(titles, descriptions, tags)


def _genre_of_words(world: World, items: Catalogue) -> Ints:
    """Number of the genre that each of an item's words is taken from, [items, _WORDS]."""
    keys, counters = items.keys[:, None], np.arange(_WORDS)
    stray = world.draws.below(world.size.genres, "stray word", keys, counters)
    stray = np.where(items.second[:, None] >= 0, items.second[:, None], stray)
    own = world.draws.uniform("own word", keys, counters) < _OWN_SHARE
    return np.where(own, items.genre[:, None], stray)


def _titles(world: World, items: Catalogue) -> list[str]:
    """Two words, and the part's number from the second part of a series on."""
    draws = world.draws
    name = np.where(items.series >= 0, items.series, items.keys + 2**40)  # what shares a title
    stray = draws.below(world.size.genres, "stray title", name)
    genre = np.where(draws.uniform("own title", name) < _TITLE_SHARE, items.genre, stray).tolist()
    first, step = draws.below(10, "title", name).tolist(), (1 + draws.below(9, "title, second", name)).tolist()
    titles = []
    for row, part in enumerate(items.part.tolist()):
        words = world.words.genres[world.genres[genre[row]]].split()
        title = f"{words[first[row]]} {words[(first[row] + step[row]) % 10]}".title()
        titles.append(f"{title} {world.words.part} {part + 1}".replace("  ", " ") if part else title)
    return titles
