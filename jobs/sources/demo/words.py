"""The words of the three demo domains: genres, styles and segments, each with what tells it apart."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """`genres` and `styles` map a name to its words; `segments` a name to (mean age, genres it prefers).

    `frames` are descriptions with places for genre words {0}–{4} and a style word {5}; `part` numbers a series.
    """

    genres: Mapping[str, str]
    styles: Mapping[str, str]
    segments: Mapping[str, tuple[int, tuple[str, ...]]]
    min_age: Mapping[str, int]
    frames: tuple[str, ...]
    part: str
    playlist: str


MOVIES = Words(
    genres={
        "horror": "haunted crypt scream cursed cellar demon blood ghoul midnight asylum",
        "romance": "heart kiss wedding letter paris lover summer promise longing bride",
        "science_fiction": "starship galaxy android orbit quantum colony alien reactor nebula cyborg",
        "comedy": "prank awkward roommate hilarious mishap office clumsy joke disguise chaos",
        "western": "saddle sheriff frontier canyon outlaw rifle ranch dusty prairie gold",
        "crime": "detective heist mafia alibi suspect vault informant forged verdict getaway",
        "animation": "talking penguin toy crayon kingdom bunny cartoon bubble tiny rainbow",
        "war": "trench battalion general siege bunker medal regiment convoy soldier armistice",
        "fantasy": "dragon wizard elf sword prophecy enchanted throne rune griffin realm",
        "documentary": "archive expedition interview glacier witness species river survey lens history",
        "musical": "melody chorus broadway dancer rhythm orchestra stage duet tap encore",
        "drama": "silence family inheritance daughter harbour confession divorce village winter forgiveness",
    },
    styles={
        "bleak": "merciless grim despairing cold",
        "playful": "witty warm cheerful breezy",
        "epic": "sweeping monumental grand vast",
    },
    segments={
        "families": (41, ("animation", "fantasy", "musical")),
        "thrill_seekers": (24, ("horror", "science_fiction", "crime")),
        "classic_fans": (58, ("western", "war", "documentary")),
        "evening_unwinders": (33, ("romance", "comedy", "drama")),
    },
    min_age={"horror": 16, "crime": 12, "war": 16, "western": 12},
    frames=(
        "A {5} film about a {0} and a {1}. When the {2} appears, only the {3} can change the {4}.",
        "Nobody expected the {0}. In this {5} picture a {1}, a {2} and one last {3} meet the {4}.",
        "The {0} returns: {5} scenes of {1} and {2}, with a {3} that leads to the {4}.",
    ),
    part="Part",
    playlist="watchlist",
)

MUSIC = Words(
    genres={
        "jazz": "saxophone swing bebop trumpet improvised brushes smoky trio syncopated club",
        "metal": "distorted riff thunder growl steel doom blast inferno headbanging iron",
        "classical": "sonata concerto strings philharmonic adagio fugue cello overture maestro chamber",
        "hip_hop": "beat rhyme sample cypher turntable block flow verse freestyle mic",
        "electronic": "synth pulse laser modular bassline strobe circuit arpeggio neon rave",
        "folk": "banjo meadow fiddle lantern shepherd hearth ballad wander oak shore",
        "country": "truck whiskey boots honky porch nashville rodeo dirt highway steel-guitar",
        "ambient": "drone mist tape drifting texture horizon slow field tide glass",
        "blues": "delta slide crossroads harmonica juke worried freight mojo shuffle bourbon",
        "pop": "hook radio glitter crush dancefloor summer chart neon-heart singalong sugar",
    },
    styles={
        "acoustic": "unplugged wooden bare intimate",
        "energetic": "driving loud restless explosive",
        "melancholic": "wistful lonely fading tearful",
    },
    segments={
        "commuters": (35, ("pop", "hip_hop", "electronic")),
        "night_owls": (27, ("electronic", "ambient", "metal")),
        "vinyl_collectors": (55, ("jazz", "blues", "classical")),
        "campfire": (44, ("folk", "country", "blues")),
    },
    min_age={"metal": 12, "hip_hop": 12},
    frames=(
        "A {5} recording: {0}, {1} and plenty of {2}, closing on {3} and {4}.",
        "Built around a {0} and a {1}, this {5} piece lets {2}, {3} and {4} speak.",
        "The {0} sets the tone: {5} takes, a {1} in front, a {2} behind, {3} and {4} in between.",
    ),
    part="No.",
    playlist="mix",
)

GAMES = Words(
    genres={
        "shooter": "sniper recoil reload warzone ammo grenade squad headshot turret mercenary",
        "puzzle": "tile logic riddle lever maze mirror switch jigsaw cipher block",
        "racing": "drift throttle lap nitro chassis circuit pitstop turbo overtaking rally",
        "strategy": "empire diplomacy siege resource conquest treaty legion tech-tree colony border",
        "role_playing": "quest mage guild loot dungeon paladin talisman tavern level companion",
        "simulation": "farm tractor runway railway harvest cockpit cargo depot blueprint crew",
        "sports": "penalty league stadium dribble coach season goalkeeper tournament slam referee",
        "adventure": "island relic jungle torch temple diary compass shipwreck explorer ruins",
    },
    styles={
        "pixel_art": "retro eight-bit blocky nostalgic",
        "open_world": "boundless roaming seamless wide",
        "co_op": "shared together split-screen teamwork",
    },
    segments={
        "competitors": (21, ("shooter", "sports", "racing")),
        "planners": (38, ("strategy", "simulation")),
        "storytellers": (29, ("role_playing", "adventure")),
        "casuals": (47, ("puzzle", "simulation", "sports")),
    },
    min_age={"shooter": 16, "strategy": 12, "role_playing": 12},
    frames=(
        "A {5} game of {0} and {1}: find the {2}, master the {3}, keep the {4}.",
        "Every {0} counts: {5} levels full of {1}, {2} and {3} end with a {4}.",
        "Take the {0}, mind the {1}. A {5} world where {2} meets {3} and each {4} matters.",
    ),
    part="",
    playlist="backlog",
)

WORDS: Mapping[str, Words] = {"movies": MOVIES, "music": MUSIC, "games": GAMES}
