#!/usr/bin/env bash
# scripts/python.sh NAME...: prints the first of these interpreters that runs, from the PATH or from pyenv's versions.
# pyenv puts a python3.13 on the PATH also where it is not switched on: that one does not run.
set -euo pipefail
for name in "$@"; do
    for candidate in "$name" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/"$name"; do
        if "$candidate" -c 'import ensurepip, venv' > /dev/null 2>&1; then
            command -v "$candidate"
            exit
        fi
    done
done
echo "No Python is here by the name of $*, neither on the PATH nor among pyenv's" >&2
exit 1
