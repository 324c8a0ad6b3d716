"""Files and folders that appear whole or not at all, and checks of a folder before anything is written there."""

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from crn_hub.text import clause

# How the names of drafts begin or end, for those who clear away what a killed process has left.
SAVING, PART = ".saving-", ".part"

# What file systems answer when they don't offer something.
UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM)

OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)

LFS_POINTER = "only a pointer of git LFS; with git-lfs installed, `git lfs pull` in its folder fetches the file itself"
_POINTER = b"version https://git-lfs.github.com/spec/"  # how such files begin


@contextmanager
def appearing(file: Path, drafts: Path | None = None) -> Iterator[Path]:
    """Yields the path of a draft to write to, which is renamed to `file` if the `with` block ends without an error.

    Args:
        file: the file that appears; one that is there already is replaced.
        drafts: the folder for the draft, on the same file system; that of the file by default.

    Raises:
        OSError: if nothing can be written there.
    """
    # Each draft has a name of its own, because another process may be writing the same file, and only the beginning of
    # the file's, which may be as long as a name can be. It's made within the `try`: Ctrl-C may come at any moment.
    draft = (drafts or file.parent) / f".{file.name[:40]}.{secrets.token_hex(4)}{PART}"
    try:
        with _failures_name(file):
            draft.touch(exist_ok=False)
            yield draft
            draft.chmod(0o644)
            draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _failures_name(path: Path) -> Iterator[None]:
    """Adds the file or folder to failures of the disk that don't name any."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        is_nameless = isinstance(error, SafetensorError) or (error.filename is None and error.errno in OF_THE_DISK)
        if not is_nameless:
            raise
        raise OSError(f"{path}: cannot be written ({clause(error)}).") from error


@contextmanager
def appearing_in(folder: Path) -> Iterator[Path]:
    """Yields an empty folder to write to, whose files appear in `folder` if the `with` block ends without an error.

    A new folder appears whole. In an existing one, each file is renamed after all of them have been written; files of
    the same name are replaced, others stay.

    Raises:
        OSError: if nothing can be written there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    is_new = not folder.exists()
    temporary_folder = tempfile.TemporaryDirectory(dir=folder.parent if is_new else folder, prefix=SAVING)
    with _failures_name(folder), temporary_folder as temporary:
        draft = Path(temporary) / "draft"  # the temporary folder itself is private
        draft.mkdir()
        yield draft
        files = sorted(path for path in draft.rglob("*") if path.is_file())
        for file in files:
            file.chmod(0o644)
        if is_new:
            _appear(draft, folder)
            return
        for file in files:
            target = folder / file.relative_to(draft)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)


def is_lfs_pointer(file: str | os.PathLike[str]) -> bool:
    """Whether git has left a pointer in the place of a file, because git LFS was not installed when it was cloned."""
    with open(file, "rb") as opened:
        return opened.read(len(_POINTER)) == _POINTER


def _appear(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError as error:
        if not folder.exists():
            raise
        raise FileExistsError(f"{folder}: another process has written there in the meantime.") from error


def to_the_disk(path: Path) -> None:
    """Waits until a file, or what a folder says of its files, will outlive a power failure, where that can be had.

    Windows and some network file systems refuse it for folders, and a few for files.

    Raises:
        OSError: if the disk is full or fails.
    """
    # Windows wants to be able to write to the file, and opens no folder.
    try:
        opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except PermissionError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(opened)


def write_text(file: Path, text: str) -> None:
    """Writes a file that appears whole or not at all."""
    with appearing(file) as draft:
        draft.write_text(text, encoding="utf-8")


def file_in_the_way(folder: Path) -> Path | None:
    """The file that is in the place of a folder, or of one above it; None if there is none."""
    nearest = _nearest(folder)
    return None if nearest.is_dir() else nearest


def check_folder(option: str, folder: Path) -> None:
    """Checks that a folder can be written to, or made.

    Args:
        option: how the command line names the folder, for messages, such as "--output"; "" if it has no name.
        folder: the folder; it need not exist.

    Raises:
        FileExistsError: if there is a file in its place, or in that of a folder above it.
        PermissionError: if nothing may be written there.
    """
    if (file := file_in_the_way(folder)) is not None:
        found = "a file" if file == folder else f"{file} is a file"
        raise FileExistsError(f"{_named(option, folder)}: {found}, not a folder.")
    if not os.access(nearest := _nearest(folder), os.W_OK):
        raise PermissionError(f"{_named(option, folder)}: nothing may be written in {nearest}.")


def check_new_folder(option: str, folder: Path, what: str) -> None:
    """Checks that a folder is new or empty and can be written to; hidden files in it do not count.

    Args:
        option, folder: as for `check_folder`.
        what: what is to be written there, for the message, such as "the model".

    Raises:
        FileExistsError: if something lies in the folder, or there is a file in its place.
        PermissionError: if nothing may be written there.
    """
    check_folder(option, folder)
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise FileExistsError(f"{_named(option, folder)}: the folder is not empty; choose a new one for {what}.")


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest above it, that exists; or what lies in its place."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))


def _named(option: str, folder: Path) -> str:
    return f"{option} {folder}".lstrip()
