"""Turns failures of the Hub's client (huggingface_hub) into errors of one sentence."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import get_token
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils import httpx

from crn_hub.text import clause

GATED = "access must be requested on its page on the Hub first"


def unseen(token: str | bool | None = None) -> str:
    """What a repo may be that the Hub says is not there, with the token that the client was given."""
    if token is False:
        return "a private one, which nobody sees without a token"
    if token is None and get_token() is None:
        return "a private one, for which `hf auth login` is needed first"
    return "a private one that this token may not see"


def reason(error: BaseException) -> str:
    """Why the client failed, as a clause: without its advice, and without a full stop."""
    if isinstance(error, LocalEntryNotFoundError):
        return reason(error.__cause__) if error.__cause__ else "only the cache may be read (local_files_only)"
    if isinstance(error, RuntimeError) and error.__cause__:  # says which file could not be uploaded
        return f"{clause(error)}: {reason(error.__cause__)}"
    if isinstance(error, OfflineModeIsEnabled):
        return "the client is in offline mode (HF_HUB_OFFLINE)"
    if isinstance(error, UnicodeEncodeError):  # raised for a header
        return "the token holds characters that no token has"
    if isinstance(error, GatedRepoError):
        return GATED
    if isinstance(error, HfHubHTTPError):
        said = f" ({clause(error.server_message)})" if error.server_message else ""
        login = "; `hf auth login` is needed first" if error.response.status_code == 401 and get_token() is None else ""
        return f"the Hub answered {error.response.status_code} {error.response.reason_phrase}{said}{login}"
    first_sentence = re.split(r"(?<=[.!?])\s", str(error).strip(), maxsplit=1)[0]  # the others give advice
    return clause(re.sub(r" \(\S+/\S+\)", "", first_sentence)) or type(error).__name__  # without addresses


@contextmanager
def push_errors(failure: str) -> Iterator[None]:
    """Turns what the client raises while something is sent to the Hub into one sentence.

    Args:
        failure: how the sentence begins, such as "org/name: could not be pushed".

    Raises:
        ValueError: if the Hub refuses the card.
        ConnectionError: if the Hub could not be reached or refused.
    """
    try:
        yield
    except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, ValueError) and isinstance(refusal := error.__cause__, BadRequestError):
            complaint = clause(refusal.server_message or error)
            raise ValueError(f"{failure}: the Hub refuses README.md: {complaint}.") from error
        raise ConnectionError(f"{failure}: {reason(error)}.") from error


def client_error(error: BaseException | None) -> BaseException | None:
    """The client's failure that led to `error`, however a library has wrapped it; None if there was none.

    A file that the Hub does not have is not a failure: libraries try several.
    """
    while error is not None and (
        isinstance(error, EntryNotFoundError) or not isinstance(error, httpx.HTTPError | ConnectionError)
    ):
        error = error.__cause__ or error.__context__
    return error
