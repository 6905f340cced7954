"""A deployment whose users of movies have pseudonyms, made with keys that a test gives."""

from pathlib import Path

import pytest

from jobs.privacy.pseudonyms import Chain

KEYS = tuple(bytes([number]) * 32 for number in (1, 2, 3))
ONE, TWO = Chain(KEYS[:1]), Chain(KEYS[:2])


def switch_on(folder: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[bytes, ...] = KEYS[:1]) -> Path:
    """Turns the setting on for movies and gives the keys in a file, whose path it returns."""
    (folder / "encore.toml").write_text("[domains.movies]\npseudonyms = true\n")
    monkeypatch.setenv("ENCORE_CONFIG", str(folder / "encore.toml"))
    return give(folder, monkeypatch, keys)


def give(folder: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[bytes, ...]) -> Path:
    """Gives these keys, oldest first."""
    file = folder / "pseudonyms.key"
    file.write_text("".join(f"{key.hex()}\n" for key in keys))
    file.chmod(0o600)
    monkeypatch.setenv("ENCORE_PSEUDONYM_KEY_FILE", str(file))
    return file
