"""The run that all Spark tests of this process belong to."""

import os

RUN = f"tests-{os.getpid()}"
