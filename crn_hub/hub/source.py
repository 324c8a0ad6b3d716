"""Files from a local folder or the Hub: of one revision, of bounded size, and with errors of one sentence.

For models, feature networks and data sets alike. The client (huggingface_hub) retries, resumes and checks lengths. Its
cache, described at https://huggingface.co/docs/huggingface_hub/guides/manage-cache, holds each file once as
models--ORG--NAME/snapshots/COMMIT/FILE, and the commit of each branch and tag in refs/NAME beside it.
"""

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import (
    _CACHED_NO_EXIST,
    get_cached_repo_tree,
    hf_hub_download,
    is_offline_mode,
    try_to_load_from_cache,
)
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx, validate_repo_id

from crn_hub.files import LFS_POINTER, appearing, is_lfs_pointer
from crn_hub.hub.client_errors import reason, unseen

TEXT_BYTES = 2**20  # the most that a description, a card or a record may have; they are a few kilobytes


class Source:
    """A local folder, or a repo on the Hub as of one commit.

    The first file settles the commit, and all others are taken from that commit even if somebody pushes in between.
    Use it in a `with` statement: only if that ends without an error does the cache record that the revision is now at
    this commit, unless another process has recorded something else meanwhile. So a repo that could be used without a
    connection can still be used after a failure.

    Args:
        name: a folder or a Hub id.
        kind: "model" or "dataset", for the Hub.
        revision: a branch, a tag or a commit's id on the Hub; "main" by default.
        subfolder: the folder within it that the files are in, such as "checkpoints/last".
        token, cache_dir, force_download, local_files_only: as in `huggingface_hub.hf_hub_download`.

    Raises:
        FileNotFoundError: if the name is empty, or that of a file.
        ValueError: if the revision is not a text, or empty, or the subfolder leads out of the folder.
    """

    def __init__(
        self,
        name: str,
        *,
        kind: str = "model",
        revision: str | None = None,
        subfolder: str | None = None,
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
        parts = PurePosixPath(subfolder or "").parts
        if ".." in parts or "/" in parts[:1]:
            raise ValueError(f"subfolder must be a folder within {name}, not {subfolder!r}.")
        self.name, self.kind, self._subfolder = name, kind, "".join(f"{part}/" for part in parts)
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
        with suppress(OSError):  # a cache that can only be read is good enough
            self._reference.parent.mkdir(parents=True, exist_ok=True)
            # The client would take a draft in refs for a branch.
            with appearing(self._reference, drafts=self._cached_repo) as draft:
                draft.write_text(str(self._commit), encoding="utf-8")

    @property
    def is_offline(self) -> bool:
        """Whether the Hub may not be asked, so that files missing from the cache count as missing altogether."""
        return bool(self._options["local_files_only"]) or is_offline_mode()

    @property
    def _reference(self) -> Path:
        return self._cached_repo / "refs" / self.revision

    def _read_reference(self) -> str | None:
        """The commit that the revision is at according to the cache; None if the cache does not know it."""
        try:
            return self._reference.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return None

    def fetch(self, file: str, max_bytes: int) -> Path:
        """The path of one of the files; that of a file from the Hub is in the client's cache.

        Args:
            file: its name, without a folder.
            max_bytes: a longer file is refused before it is downloaded.

        Raises:
            FileNotFoundError: if there is no such file, revision or repo, or none that this token may see.
            ConnectionError: if the file is not in the cache and the Hub could not be reached or refused.
            ValueError: if the file is too long.
        """
        if self.folder is None:
            path = self._fetch_from_hub(self._subfolder + file, max_bytes)
        else:
            path = self.folder / self._subfolder / file
            if not path.is_file():
                raise FileNotFoundError(f"{self.name}: the folder holds no {self._subfolder}{file}{_hint(file)}.")
            if is_lfs_pointer(path):
                raise ValueError(f"{self.name}: {file} is {LFS_POINTER}.")
        self._check_size(file, path.stat().st_size, max_bytes)
        return path

    def _fetch_from_hub(self, file: str, max_bytes: int) -> Path:
        if self._commit is not None and not self._force_download and self._is_known_to_lack(file):
            raise FileNotFoundError(f"{self.name}: the repo on the Hub holds no {file}{_hint(file)}.")
        try:
            try:
                # A dry run asks for commit and size only, and leaves the cache as it is.
                answer = hf_hub_download(
                    self.name, file, revision=self._commit or self.revision, dry_run=True, **self._options
                )
                self._check_size(file, answer.file_size, max_bytes)
                self._commit = answer.commit_hash
                return Path(hf_hub_download(self.name, file, revision=self._commit, **self._options))
            except ValueError as error:
                if self._force_download and error.__cause__:  # the client wraps every failure in a ValueError then
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
                f"{self.name}: no such folder, and no such repo on the Hub, or {unseen(self._options['token'])}."
            ) from error
        except RevisionNotFoundError as error:
            raise FileNotFoundError(f"{self.name}: the repo has no revision {self.revision!r}.") from error
        except LocalEntryNotFoundError as error:
            raise ConnectionError(
                f"{self.name}: {file} is not in the cache and could not be fetched from the Hub: {reason(error)}."
            ) from error
        except EntryNotFoundError as error:
            raise FileNotFoundError(f"{self.name}: the repo on the Hub holds no {file}{_hint(file)}.") from error
        except (httpx.HTTPError, OSError, RuntimeError, UnicodeEncodeError) as error:  # RuntimeError: from Xet
            raise ConnectionError(f"{self.name}: {file} could not be fetched from the Hub: {reason(error)}.") from error

    def _is_known_to_lack(self, file: str) -> bool:
        """Whether the cache records that the commit has no such file."""
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


def short_name(name: str) -> str:
    """A name for reports and records: a Hub id as it is, a local file or folder without the path to it."""
    return Path(name).resolve().name if os.path.exists(name) else name


def check_repo_id(repo_id: str) -> None:
    """Raises a ValueError unless this can be the name of a repo on the Hub."""
    try:
        validate_repo_id(repo_id or "")
    except HFValidationError as error:
        raise ValueError(
            f"{repo_id!r} is not the id of a Hub repo; use organisation/name, each of letters, digits and single "
            "'-', '_' and '.' between them."
        ) from error


def _hint(file: str) -> str:
    return " (weights are read from safetensors only)" if file.endswith(".safetensors") else ""
