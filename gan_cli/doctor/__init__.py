"""`gan doctor`: the machine and the installation, examined."""
