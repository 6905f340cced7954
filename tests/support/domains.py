"""The domains that Encore ships, as their files say."""

from jobs.settings import read_domains

DOMAINS = read_domains()
GAMES, MOVIES, MUSIC = DOMAINS["games"], DOMAINS["movies"], DOMAINS["music"]
