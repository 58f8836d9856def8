"""`gan push`: a model, its card and its numbers on the Hugging Face Hub, in one commit."""

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gan_cli.errors import InputError, StorageError, require_package
from gan_cli.export import bundle, card, facts, stablehlo
from gan_cli.export.markdown import words
from gan_cli.runs.load import Loaded
from gan_cli.version import NAME, __version__

METRICS = "metrics.json"
TOKENS = "https://huggingface.co/settings/tokens"
Note = Callable[[str], None]


class Pushed(NamedTuple):
    """What is on the Hub."""

    url: str  # of the repository
    commit: str  # hexadecimal


def check_push(repo: str, licence: str | None, *, dry_run: bool) -> None:
    """Raise InputError when a package is missing, the name is none, or there is no token to push with."""
    require_package("hub", "gan push", "huggingface_hub")
    stablehlo.check()
    card.check_licence(licence)
    from huggingface_hub import get_token
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise InputError(f"--repo {words(repo)}: {error}") from None
    if repo.count("/") != 1:
        raise InputError(f"--repo {repo}: expected USER/NAME, or ORGANISATION/NAME")
    if not dry_run and get_token() is None:
        raise InputError(f"there is no token for the Hub: set HF_TOKEN, or `hf auth login`; {TOKENS} makes one")


def files(loaded: Loaded, wish: card.CardOptions, note: Note) -> dict[str, bytes]:
    """All that is pushed, by name, read back and compared. Raises InputError."""
    note(f"step {loaded.step} of {loaded.folder.path}: exporting, comparing, drawing")
    program = bundle.export(loaded, "stablehlo", raw=wish.raw, compare=True)
    weights = bundle.export(loaded, "safetensors", raw=wish.raw, compare=True)
    with tempfile.TemporaryDirectory(prefix="gan-") as folder:
        picture = Path(folder) / card.PICTURE
        card.draw(loaded, picture, raw=wish.raw)
        drawn = picture.read_bytes()
    numbers = json.dumps(facts.public_lines(loaded, raw=wish.raw), indent=2)
    return {
        **bundle.contents(loaded, program),
        bundle.NAMES["safetensors"]: weights.data,
        bundle.README: card.write(loaded, wish).encode(),
        card.PICTURE: drawn,
        METRICS: numbers.encode(),
    }


def push(made: Mapping[str, bytes], repo: str, message: str, *, private: bool, note: Note) -> Pushed:
    """Make the repository unless it is there, and upload in one commit. Raises InputError and StorageError."""
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # what it warns of is said here, in our words
    api = HfApi(library_name=NAME, library_version=__version__)
    additions = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in made.items()]
    with _answering(api.endpoint, repo), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        url = api.create_repo(repo, private=private or None, exist_ok=True)
        before = api.repo_info(repo).sha
        commit = api.create_commit(repo, additions, commit_message=message)
    for warning in warned:
        if warning.category is UserWarning:  # the Hub's about the card; others are between libraries
            note(str(warning.message))
    if commit.oid == before:
        note(f"{repo} has all of this already: no commit was made")
    return Pushed(str(url), str(commit.oid))


@contextmanager
def _answering(endpoint: str, repo: str) -> Iterator[None]:
    """Say in one message what the Hub, or the way there, had against it."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    try:
        yield
    except HfHubHTTPError as error:
        raise _refusal(error, endpoint, repo) from error
    except (HTTPError, OSError, RuntimeError) as error:
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):  # of one file
            raise _refusal(cause, endpoint, repo) from error
        raise StorageError(f"{endpoint}: cannot be reached: {words(cause or error)}") from error
    except ValueError as error:  # what the Hub thinks of the card, or an answer that is not its own
        raise InputError(f"{endpoint}: {repo}: {words(error)}") from error


def _refusal(error: Any, endpoint: str, repo: str) -> Exception:
    status = error.response.status_code
    said = words(error.server_message or str(error).partition("\n")[0])
    if status == 401:
        return InputError(f"{endpoint}: the token was refused (401: {said}); HF_TOKEN needs one from {TOKENS}")
    if status == 403:
        return InputError(f"{endpoint}: this token may not write to {repo} (403: {said}); {TOKENS} gives it leave")
    if status < 500 and status != 429:
        return InputError(f"{endpoint}: {repo} was refused ({status}: {said})")
    return StorageError(f"{endpoint}: cannot take {repo} now ({status}: {said}); the same command goes on later")
