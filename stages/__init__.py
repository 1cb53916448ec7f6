"""The stages of the river: each reads files, calls the packages and writes files."""
