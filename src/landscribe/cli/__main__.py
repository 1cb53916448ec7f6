"""`python -m landscribe.cli`: the command `landscribe`."""

from landscribe.cli.command import main

main()
