"""`gan push`: a model, its card and its numbers on the Hugging Face Hub, in one commit."""

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gan_cli.errors import InputError, StorageError, require_package
from gan_cli.export import bundle, card, facts
from gan_cli.export.formats import find_format
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
    for form in (find_format(card.PROGRAM), find_format(card.WEIGHTS)):
        require_package(form.extra, f"--format {form.name}", *form.modules)
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


def pushed_files(loaded: Loaded, wish: card.CardOptions, note: Note) -> dict[str, bytes]:
    """All that is pushed, by name; program and weights are read back and compared. Raises InputError."""
    note(f"step {loaded.step} of {loaded.folder.path}: exporting, comparing, drawing")
    program = bundle.export(loaded, card.PROGRAM, raw=wish.raw, compare=True)
    weights = bundle.export(loaded, card.WEIGHTS, raw=wish.raw, compare=True)
    with tempfile.TemporaryDirectory(prefix="gan-") as folder:
        picture = Path(folder) / card.PICTURE
        card.draw_picture(loaded, picture, raw=wish.raw)
        drawn = picture.read_bytes()
    numbers = json.dumps(facts.public_lines(loaded, raw=wish.raw), indent=2)
    return {
        **bundle.contents(loaded, program),
        weights.form.file: weights.data,
        bundle.README: card.card_text(loaded, wish).encode(),
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
    with _hub_errors(api.endpoint, repo), warnings.catch_warnings(record=True) as warned:
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
def _hub_errors(endpoint: str, repo: str) -> Iterator[None]:
    """Say in one message what the Hub, or the way there, had against it: InputError where a person can mend it."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    try:
        yield
    except (HfHubHTTPError, HTTPError, OSError, RuntimeError) as error:
        answer = error if isinstance(error, HfHubHTTPError) else error.__cause__  # the latter: of one file
        if not isinstance(answer, HfHubHTTPError):
            raise StorageError(f"{endpoint}: cannot be reached: {words(answer or error)}") from error
        status = answer.response.status_code
        said = words(answer.server_message or str(answer).partition("\n")[0])
        kind: type[InputError | StorageError] = InputError
        if status == 401:
            message = f"{endpoint}: the token was refused (401: {said}); HF_TOKEN needs one from {TOKENS}"
        elif status == 403:
            message = f"{endpoint}: this token may not write to {repo} (403: {said}); {TOKENS} gives it leave"
        elif status < 500 and status != 429:
            message = f"{endpoint}: {repo} was refused ({status}: {said})"
        else:
            kind = StorageError
            message = f"{endpoint}: cannot take {repo} now ({status}: {said}); the same command goes on later"
        raise kind(message) from error
    except ValueError as error:  # what the Hub thinks of the card, or an answer that is not its own
        raise InputError(f"{endpoint}: {repo}: {words(error)}") from error
