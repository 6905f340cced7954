"""Code for the jobs' environment that reads command lines as `encore` itself does."""

PARSE = """
import json, sys
from jobs.cli import parser
from jobs.commands import COMMANDS
for job, *arguments in json.load(sys.stdin):
    parser(COMMANDS[job]).parse_args(arguments)
print(json.dumps("parsed"))
"""
