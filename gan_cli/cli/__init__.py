"""The command line: thin files of one command or a few that belong together."""
