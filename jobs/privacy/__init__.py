"""Privacy: finding, erasing and exporting what is known of a user. `jobs/erase.py` is the command.

`ids` searches texts, `decode` opens files, `scan` walks over them; `rows`, `tables`, `landing`, `artifacts` and
`leftovers` take users out, `records` keeps account of it and refuses them afterwards; `pseudonyms` hashes ids, `keys`
knows the keys again, `rotation` brings what is stored to the newest one. The commands `erase`, `pseudonyms`, `user`,
`import`, `pin`, `publish` and `tables` import it; it imports storage, `jobs.cleaning` and `jobs.learning`, and no
command. Begin with `tables.py`, then `rows.py`, `records.py` and `pseudonyms.py`.
"""
