"""Pushing a model to the Hub in one commit, which keeps a card that people have edited."""

import os
import shutil
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo, hf_hub_download
from huggingface_hub.errors import RevisionNotFoundError

from crn_hub.hub.card import is_unedited
from crn_hub.hub.client_errors import push_errors
from crn_hub.hub.model_folder import CARD, SAMPLES, SWATCH_FILES, SWATCHES, TRAINING_RECORD, pictures_in
from crn_hub.hub.saving import Saveable, save_model
from crn_hub.hub.source import check_repo_id


def push_model(
    model: Saveable,
    repo_id: str,
    folder: str | os.PathLike[str] | None = None,
    private: bool | None = None,
    token: str | None = None,
    commit_message: str | None = None,
    revision: str | None = None,
    create_pr: bool = False,
) -> str:
    """Uploads a model; arguments, address returned and errors are those of `HubModel.push_to_hub`."""
    check_repo_id(repo_id)
    if commit_message is None:
        commit_message = f"Upload {model.description.loader}"
    if not commit_message:
        raise ValueError("commit_message is empty; give the commit a title.")
    if folder is not None and not os.path.isdir(folder):
        raise FileNotFoundError(f"{folder}: no such folder; it should be one in which the model has been saved.")
    api, failure = HfApi(token=token), f"{repo_id}: could not be pushed"
    with tempfile.TemporaryDirectory() as temporary:
        draft = Path(temporary)
        if folder is not None:
            _copy_card_and_pictures(Path(folder), draft)
        with push_errors(failure):
            repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
            repo = api.model_info(repo_id)
        if private and repo.private is False:
            raise ValueError(f"{repo_id}: cannot be pushed as private: the repo is there already and public.")
        with push_errors(failure):
            if revision is not None:
                repo = _find_or_make_branch(api, repo_id, revision)
            there = {file.rfilename for file in repo.siblings or ()}
            keeps_card = CARD in there and not is_unedited(
                Path(hf_hub_download(repo_id, CARD, revision=repo.sha, token=token))
            )
        save_model(model, draft, repo_id)
        files = {path.relative_to(draft).as_posix(): path for path in draft.rglob("*") if path.is_file()}
        outdated = [TRAINING_RECORD]  # an earlier model's, unless this one has its own
        if keeps_card:
            del files[CARD]
        elif is_unedited(draft / CARD):  # an edited card may show other colours
            outdated.append(SWATCH_FILES)
        gone = [file for file in there - set(files) if any(fnmatchcase(file, pattern) for pattern in outdated)]
        with push_errors(failure):
            # Not upload_folder, which may take several commits. With parent_commit, the Hub refuses the commit if
            # somebody else has committed meanwhile, perhaps an edited card.
            commit = api.create_commit(
                repo_id,
                [
                    *(CommitOperationDelete(file) for file in sorted(gone)),
                    *(CommitOperationAdd(file, files[file]) for file in sorted(files)),
                ],
                commit_message=commit_message,
                revision=revision,
                parent_commit=repo.sha,
                create_pr=create_pr,
            )
    return str(commit.pr_url or commit)


def _copy_card_and_pictures(folder: Path, draft: Path) -> None:
    """Copies from a model folder what saving the model again would not recreate."""
    pictures = pictures_in(folder / SAMPLES)
    if (folder / CARD).is_file() and not is_unedited(folder / CARD):
        shutil.copyfile(folder / CARD, draft / CARD)
        pictures += pictures_in(folder / SWATCHES)  # an edited card may show other colours
    for picture in pictures:
        (draft / picture.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(picture, draft / picture.parent.name / picture.name)


def _find_or_make_branch(api: HfApi, repo_id: str, branch: str) -> ModelInfo:
    try:
        return api.model_info(repo_id, revision=branch)
    except RevisionNotFoundError:
        api.create_branch(repo_id, branch=branch, exist_ok=True)
        return api.model_info(repo_id, revision=branch)
