"""Values that forms, requests and command lines get from people who mean harm, or do not know better."""

LONG = "x" * 10_000
TEXTS = (
    # quotes, shells, templates, formats
    *("'", '"', "`", "''", "' OR '1'='1", "'; DROP TABLE items; --", '"; --', "\\", "\\'", "$(touch pwned)", "`id`"),
    *("${HOME}", "; id", "| id", "&& id", "> pwned", "a b", "{{ 7 * 7 }}", "{% raw %}", "{0.__class__}", "%s%n", "%00"),
    # paths and addresses
    *("..", "../", "../../etc/passwd", "/etc/passwd", "~root", "file:///etc/passwd", "s3://bucket/key", "a/b", "a\\b"),
    *("C:\\x", "-", "--help", "-rf", "*", "?", ".", "CON"),
    # control, invisible and mixed text
    *(
        "\n",
        "a\nb",
        "\r\n",
        "\t",
        "\0",
        "a\0b",
        "\x1b[2J",
        "\x7f",
        "\u202eabc",
        "\u200b",
        "a\u200bb",
        "\ufeff",
        "\u0301",
    ),
    *("\ud800", "𝔪𝔬𝔳𝔦𝔢𝔰", "ｍｏｖｉｅｓ", "movies\u0000", "MOVIES", "movies ", " movies", "ЅС", "💥"),
    # markup
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;", "javascript:alert(1)", "]]>"),
    # numbers and dates that are none
    *("NaN", "inf", "-1", "1e9", "0x10", "1.5", "2026-02-30", "2026-13-01", "20260101", "2026-W01-1", "0000-00-00"),
    *("2026-11-27T00:00:00", "２０２６-１１-２７", "today", "", LONG),
)
OTHERS = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    float("nan"),
    float("inf"),
    10**400,
    [],
    ["x"],
    [[]],
    {},
    {"a": 1},
    [None],
    b"x",
)
