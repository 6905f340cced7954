"""The report of a published night: in the terminal (`encore report`), and as one HTML file (`encore html_report`).

Commands import it; it reads published tables and the run's manifest, and writes nothing. Begin with `viewer.py` for the
terminal, with `page.py` for the HTML, whose figures come from `facts.py` and `figures.py`.
"""
