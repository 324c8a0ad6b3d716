"""Files from a local folder or the Hub: of one revision, of bounded size, and with errors of one sentence.

For models, feature networks and data sets alike, and the same sentences for what is sent there. The client
(huggingface_hub) retries, resumes and checks lengths. Its cache, described at
https://huggingface.co/docs/huggingface_hub/guides/manage-cache, holds each file once as
models--ORG--NAME/snapshots/COMMIT/FILE, and the commit of each branch and tag in refs/NAME beside it.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import (
    _CACHED_NO_EXIST,
    get_cached_repo_tree,
    hf_hub_download,
    try_to_load_from_cache,
)
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import (
    BadRequestError,
    CachedRepoTreeNotFoundError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx, validate_repo_id

from crn_hub.text import clause

GATED = "access has to be asked for on its page on the Hub first"
TEXT_BYTES = 2**20  # the most that a description, a card or a record may have; they are a few kilobytes


class Source:
    """A local folder, or a repo on the Hub as one commit has it.

    The first file settles the commit and all others are taken from it, so a push in between mixes nothing. Belongs in
    a `with` statement: only when that ends well does the cache's name of the revision move to this commit, unless
    somebody has moved it meanwhile. Whoever could use the repo without a connection before a failure still can.

    Args:
        name: a folder or a Hub id.
        kind: "model" or "dataset", for the Hub.
        revision: a branch, a tag or a commit's id on the Hub; "main" by default.
        token, cache_dir, force_download, local_files_only: as in `huggingface_hub.hf_hub_download`.

    Raises:
        FileNotFoundError: if the name is empty or a file's.
        ValueError: if the revision is no text.
    """

    def __init__(
        self,
        name: str,
        *,
        kind: str = "model",
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ):
        if not name:
            raise FileNotFoundError("the name is empty; give a folder or a Hub id.")
        if os.path.isfile(name):
            raise FileNotFoundError(f"{name}: a file, where the name of a folder or a Hub id is needed.")
        if revision is not None and (not isinstance(revision, str) or not revision):
            raise ValueError(f"revision must be the name of a branch or tag or a commit's id, not {revision!r}.")
        self.name, self.kind = name, kind
        self.revision = revision or "main"
        self.folder = Path(name) if os.path.isdir(name) else None
        self._commit: str | None = None
        self._cache_dir = Path(HF_HUB_CACHE if cache_dir is None else cache_dir).expanduser()
        self._cached_repo = self._cache_dir / f"{kind}s--{name}".replace("/", "--")
        self._commit_before = self._read_reference()
        self._force_download = force_download
        self._options: dict[str, Any] = {
            "repo_type": kind,
            "token": token,
            "cache_dir": self._cache_dir,
            "force_download": force_download,
            "local_files_only": local_files_only,
        }

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None or self._commit in (None, self.revision, self._commit_before):
            return
        if self._read_reference() != self._commit_before:
            return  # somebody else has moved it, perhaps to a later commit
        try:
            self._reference.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._cached_repo, prefix=".moving-") as folder:
                (draft := Path(folder) / "commit").write_text(str(self._commit), encoding="utf-8")
                os.replace(draft, self._reference)
        except OSError:
            pass  # a cache that may only be read serves as well

    @property
    def _reference(self) -> Path:
        return self._cached_repo / "refs" / self.revision

    def _read_reference(self) -> str | None:
        """The commit that the cache knows by the revision's name; None if there is none."""
        try:
            return self._reference.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return None

    def fetch(self, file: str, max_bytes: int) -> Path:
        """The path of one of the files; from the Hub, it lies whole in the client's cache.

        Args:
            file: its name; it must lie at the top.
            max_bytes: a longer file is refused, before it is downloaded.

        Raises:
            FileNotFoundError: if there is no such file, revision or repo, or none that this token may see.
            ConnectionError: if the file is not in the cache and the Hub could not be reached or refused.
            ValueError: if the file is too long.
        """
        if self.folder is None:
            path = self._fetch_from_hub(file, max_bytes)
        else:
            path = self.folder / file
            if not path.is_file():
                raise FileNotFoundError(f"{self.name}: the folder holds no {file}{_hint(file)}.")
        self._check_size(file, path.stat().st_size, max_bytes)
        return path

    def _fetch_from_hub(self, file: str, max_bytes: int) -> Path:
        if self._commit is not None and not self._force_download and self._is_known_to_lack(file):
            raise FileNotFoundError(f"{self.name}: the repo on the Hub holds no {file}{_hint(file)}.")
        try:
            try:
                # A dry run asks for commit and size only, and moves no name in the cache.
                answer = hf_hub_download(
                    self.name, file, revision=self._commit or self.revision, dry_run=True, **self._options
                )
                self._check_size(file, answer.file_size, max_bytes)
                self._commit = answer.commit_hash
                return Path(hf_hub_download(self.name, file, revision=self._commit, **self._options))
            except ValueError as error:
                if self._force_download and error.__cause__:  # what the client makes of any failure then
                    raise error.__cause__ from None
                raise
        except HFValidationError:
            raise FileNotFoundError(
                f"{self.name}: no such folder, and not a Hub id of the form organisation/name."
            ) from None
        except GatedRepoError as error:
            raise ConnectionError(f"{self.name}: {file} could not be fetched from the Hub: {reason(error)}.") from error
        except RepositoryNotFoundError as error:
            raise FileNotFoundError(
                f"{self.name}: no such folder, and no such repo on the Hub, "
                "or a private one that this token may not see."
            ) from error
        except RevisionNotFoundError as error:
            raise FileNotFoundError(f"{self.name}: the repo has no revision {self.revision!r}.") from error
        except LocalEntryNotFoundError as error:
            raise ConnectionError(
                f"{self.name}: {file} is not in the cache and could not be fetched from the Hub: {reason(error)}."
            ) from error
        except EntryNotFoundError as error:
            raise FileNotFoundError(f"{self.name}: the repo on the Hub holds no {file}{_hint(file)}.") from error
        except (httpx.HTTPError, OSError, RuntimeError, UnicodeEncodeError) as error:  # RuntimeError: of Xet
            raise ConnectionError(f"{self.name}: {file} could not be fetched from the Hub: {reason(error)}.") from error

    def _is_known_to_lack(self, file: str) -> bool:
        """Whether the cache knows that the commit has no such file."""
        commit = self._commit
        if try_to_load_from_cache(self.name, file, self._cache_dir, commit, self.kind) is _CACHED_NO_EXIST:
            return True
        try:
            listing = get_cached_repo_tree(self.name, repo_type=self.kind, revision=commit, cache_dir=self._cache_dir)
        except CachedRepoTreeNotFoundError:
            return False
        return file not in {entry.path for entry in listing}

    def _check_size(self, file: str, size: int | None, max_bytes: int) -> None:
        if size is not None and size > max_bytes:
            raise ValueError(f"{self.name}: {file} has {size:,} bytes, more than the {max_bytes:,} that it can need.")


def reason(error: BaseException) -> str:
    """Why the client failed, as a clause: without what it says besides, and without a full stop."""
    if isinstance(error, LocalEntryNotFoundError):
        return reason(error.__cause__) if error.__cause__ else "only the cache may be read (local_files_only)"
    if isinstance(error, RuntimeError) and error.__cause__:  # says which file could not be uploaded
        return f"{clause(error)}: {reason(error.__cause__)}"
    if isinstance(error, OfflineModeIsEnabled):
        return "the client is in offline mode (HF_HUB_OFFLINE)"
    if isinstance(error, UnicodeEncodeError):  # of a header
        return "the token holds characters that no token has"
    if isinstance(error, GatedRepoError):
        return GATED
    if isinstance(error, HfHubHTTPError):
        said = f" ({clause(error.server_message)})" if error.server_message else ""
        return f"the Hub answered {error.response.status_code} {error.response.reason_phrase}{said}"
    first_sentence = re.split(r"(?<=[.!?])\s", str(error).strip(), maxsplit=1)[0]  # the others give advice
    return clause(re.sub(r" \(\S+/\S+\)", "", first_sentence)) or type(error).__name__  # without addresses


def short_name(name: str) -> str:
    """A name for reports and records: a Hub id as it is, of a local file or folder only the last part."""
    return Path(name).resolve().name if os.path.exists(name) else name


def check_repo_id(repo_id: str) -> None:
    """Raises a ValueError unless this can be the name of a repo on the Hub."""
    try:
        validate_repo_id(repo_id or "")
    except HFValidationError as error:
        raise ValueError(
            f"{repo_id!r} is no id of a Hub repo; right is organisation/name, each of letters, digits and single "
            "'-', '_' and '.' between them."
        ) from error


@contextmanager
def pushing(failure: str) -> Iterator[None]:
    """Makes one sentence of what the client raises while something is sent to the Hub.

    Args:
        failure: how the sentence begins, as "org/name: could not be pushed".

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
    """The failure of the client that led to `error`, however a library has wrapped it; None if there was none.

    That the Hub lacks a file is none: libraries try several.
    """
    while error is not None and (
        isinstance(error, EntryNotFoundError) or not isinstance(error, httpx.HTTPError | ConnectionError)
    ):
        error = error.__cause__ or error.__context__
    return error


def _hint(file: str) -> str:
    return " (weights are read from safetensors only)" if file.endswith(".safetensors") else ""
