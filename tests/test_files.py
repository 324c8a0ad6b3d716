"""Files and folders that appear whole or not at all."""

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from crn_hub.files import appearing, appearing_in, check_folder, check_new_folder, write_text


def test_a_file_appears_when_all_of_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    with appearing(file) as draft:
        draft.write_text("new")
        assert not file.exists()
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o644
    write_text(file, "newer")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert file.read_text() == "newer"


def write_and_fail(draft: Path) -> None:
    draft.write_text("half")
    raise ValueError("an error of a kind")


def test_a_failure_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    write_text(tmp_path / "notes.txt", "old")
    with pytest.raises(ValueError, match="of a kind"), appearing(tmp_path / "notes.txt") as draft:
        write_and_fail(draft)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "old"


def test_drafts_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "refs").mkdir()
    with appearing(tmp_path / "refs" / "main", drafts=tmp_path) as draft:
        assert draft.parent == tmp_path
        assert list((tmp_path / "refs").iterdir()) == []
    assert (tmp_path / "refs" / "main").is_file()


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "model"
    with appearing_in(folder) as draft:
        (draft / "samples").mkdir()
        (draft / "samples" / "one.txt").write_text("1")
        (draft / "notes.txt").write_text("new")
        assert not folder.exists()
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == [
        "deep/model/notes.txt",
        "deep/model/samples/one.txt",
    ]
    (tmp_path / "other").mkdir()
    assert folder.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_files_appear_in_a_folder_that_is_there_after_all_have_been_written(tmp_path: Path) -> None:
    for name in ("notes.txt", "others.txt"):
        (tmp_path / name).write_text("old")
    with pytest.raises(ValueError, match="of a kind"), appearing_in(tmp_path) as draft:
        write_and_fail(draft / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "old"
    with appearing_in(tmp_path) as draft:
        (draft / "notes.txt").write_text("new")
        (draft / "samples").mkdir()
        (draft / "samples" / "one.txt").write_text("1")
    contents = {p.relative_to(tmp_path).as_posix(): p.read_text() for p in tmp_path.rglob("*") if p.is_file()}
    assert contents == {"notes.txt": "new", "others.txt": "old", "samples/one.txt": "1"}


def test_checks_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("precious")
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / ".saving-x").mkdir()
    for fine in (tmp_path / "new" / "deep", tmp_path / "hidden"):
        check_folder("--output", fine)
        check_new_folder("--output", fine, "the model")
    for check in (check_folder, lambda option, folder: check_new_folder(option, folder, "the model")):
        with pytest.raises(FileExistsError) as caught:
            check("", tmp_path / "a.txt")
        assert str(caught.value) == f"{tmp_path}/a.txt: a file, not a folder."
        with pytest.raises(FileExistsError) as caught:
            check("--output", tmp_path / "a.txt" / "below")
        assert str(caught.value) == f"--output {tmp_path}/a.txt/below: {tmp_path}/a.txt is a file, not a folder."
    with pytest.raises(FileExistsError) as caught:
        check_new_folder("--output", tmp_path, "the model")
    assert str(caught.value) == f"--output {tmp_path}: the folder is not empty; choose a new one for the model."


def test_a_folder_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    def write_beside_another() -> None:
        with appearing_in(tmp_path / "new") as draft:
            (draft / "mine").write_text("mine")
            (tmp_path / "new").mkdir()
            (tmp_path / "new" / "theirs").write_text("theirs")

    with pytest.raises(FileExistsError, match="another process has written there in the meantime"):
        write_beside_another()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "theirs"]


@pytest.mark.parametrize("write", [appearing, appearing_in])
def test_failures_of_the_disk_name_what_was_to_be_written(
    tmp_path: Path, write: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    full, gone = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ConnectionError("gone")
    with (
        pytest.raises(OSError, match=rf"{tmp_path}/new: cannot be written \(\[Errno 28\] No space"),
        write(tmp_path / "new"),
    ):
        raise full
    with pytest.raises(ConnectionError, match="gone") as caught, write(tmp_path / "new"):
        raise gone
    assert caught.value is gone
    assert list(tmp_path.iterdir()) == []
