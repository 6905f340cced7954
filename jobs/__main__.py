"""`python -m jobs` is `encore`."""

import sys

from jobs.cli import main

sys.exit(main())
