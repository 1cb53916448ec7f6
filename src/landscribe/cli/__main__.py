"""`python -m landscribe.cli`: the command `landscribe`."""

from landscribe.cli.command import main

if __name__ == "__main__":
    main()
