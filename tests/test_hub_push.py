"""Pushing models to a Hub: what it then holds, and that every failure is one sentence and changes nothing."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi
from support.hub_client import (
    EDITED_CARD,
    MODEL_FILES,
    Client,
    facts,
    load,
    push,
    refusal,
    saved_model,
    small_model,
    without_token,
)
from support.hub_server import USER, HubServer

from crn_hub import CRN, ClassSet


def refs(repo_id: str) -> list[tuple[str, str]]:
    """(name, commit) of every branch and tag."""
    listed = HfApi().list_repo_refs(repo_id)
    return [(ref.name, ref.target_commit) for ref in (*listed.branches, *listed.tags)]


def create_tag(repo_id: str, tag: str, revision: str) -> None:
    HfApi().create_tag(repo_id, tag=tag, revision=revision)


@contextmanager
def unchanged(hub: HubServer, repo_id: str) -> Iterator[None]:
    """Commits, branches, tags and files of the repo stay, and it must be there."""
    repo = hub.repos["models", repo_id]
    before = [*repo.commits], {**repo.branches}, {**repo.tags}, repo.files
    yield
    assert (repo.commits, repo.branches, repo.tags, repo.files) == before


@pytest.fixture(autouse=True)
def no_temporary_files(home: Path) -> Iterator[None]:
    yield
    assert list((home / "temporary").iterdir()) == []


def push_one_save_another(client: Client, hub: HubServer, folder: Path, repo_id: str) -> CRN:
    """Returns the model that has been pushed. The weights of either are new to the Hub."""
    first = saved_model(folder, seed=1000 + len(hub.requests))
    client(push, folder, repo_id)
    saved_model(folder, seed=1000 + len(hub.requests))
    return first


# -- what the Hub then holds -------------------------------------------------------------------------


def test_pushed_model_comes_back_to_the_bit(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = saved_model(tmp_path)
    address = client(push, tmp_path, "org/whole")
    repo = hub.repos["models", "org/whole"]
    assert address == f"{hub.endpoint}/org/whole/commit/{repo.commits[-1].id}"
    assert set(repo.files) == MODEL_FILES | {".gitattributes"}
    assert repo.files["model.safetensors"] == (tmp_path / "model.safetensors").read_bytes()
    assert client(load, "org/whole") == facts(model)


def test_a_push_is_one_commit(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    client(push, tmp_path, "org/one-commit")
    saved_model(tmp_path, seed=1, record={})
    client(push, tmp_path, "org/one-commit", commit_message="Better")
    titles = [commit.title for commit in hub.repos["models", "org/one-commit"].commits]
    assert titles == ["initial commit", "Upload CRN", "Better"]


def test_pushing_the_same_again_makes_no_commit(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    address = client(push, tmp_path, "org/same")
    with unchanged(hub, "org/same"):
        assert client(push, tmp_path, "org/same") == address


def test_second_push_keeps_the_card_that_was_edited_on_the_hub(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path / "first", seed=1)
    second = saved_model(tmp_path / "second", seed=2)
    client(push, tmp_path / "first", "org/edited")
    hub.commit("models", "org/edited", {"README.md": EDITED_CARD})
    client(push, tmp_path / "second", "org/edited", folder=tmp_path / "second")
    repo = hub.repos["models", "org/edited"]
    assert [commit.title for commit in repo.commits] == [
        "initial commit",
        "Upload CRN",
        "Commit in the browser",
        "Upload CRN",
    ]
    assert repo.files["README.md"] == EDITED_CARD
    assert client(load, "org/edited") == facts(second)


def test_card_edited_in_the_folder_replaces_one_that_nobody_edited(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    saved_model(tmp_path)
    client(push, tmp_path, "org/edited-here")
    (tmp_path / "README.md").write_bytes(EDITED_CARD)
    client(push, tmp_path, "org/edited-here", folder=tmp_path)
    assert hub.repos["models", "org/edited-here"].files["README.md"] == EDITED_CARD


def test_second_push_renews_a_card_that_nobody_edited_and_its_swatches(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    saved_model(tmp_path / "first")
    client(push, tmp_path / "first", "org/renewed")
    CRN(ClassSet(["lava"], [(200, 10, 20)]), (4,)).save_pretrained(tmp_path / "second")
    client(push, tmp_path / "second", "org/renewed")
    files = hub.repos["models", "org/renewed"].files
    assert b"lava" in files["README.md"]
    assert {file for file in files if file.startswith("swatches/")} == {"swatches/c80a14.png", "swatches/000000.png"}


def test_push_of_a_model_without_record_takes_the_old_record_away(client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path / "trained", seed=1)
    saved_model(tmp_path / "converted", seed=2, record={})
    client(push, tmp_path / "trained", "org/record")
    client(push, tmp_path / "converted", "org/record")
    assert client(load, "org/record")["training_record"] == {}


FOREIGN_FILES = (
    "passwords.txt",
    "photograph.png",
    "training_log.jsonl",
    ".notes",
    "raw/000.png",
    "samples/notes.txt",
    "samples/._000.png",
    "checkpoint-10/model.safetensors",
    "checkpoint-10/optimizer.bin",
    "swatches/legend.png",
)


def test_push_with_folder_takes_samples_along_and_nothing_foreign(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    saved_model(tmp_path)
    for file in ("samples/000.png", *FOREIGN_FILES):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(file.encode())
    for link in ("gone", "samples/gone.png"):
        (tmp_path / link).symlink_to(tmp_path / "nothing")
    client(push, tmp_path, "org/samples", folder=tmp_path)
    files = hub.repos["models", "org/samples"].files
    assert set(files) == MODEL_FILES | {".gitattributes", "samples/000.png"}
    assert files["samples/000.png"] == b"samples/000.png"
    assert b"gone.png" not in files["README.md"]


def test_card_edited_in_the_folder_takes_its_swatches_along(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    (tmp_path / "README.md").write_bytes(EDITED_CARD)
    (tmp_path / "swatches" / "legend.png").write_bytes(b"ours")
    (tmp_path / "passwords.txt").write_bytes(b"mine")
    client(push, tmp_path, "org/legend", folder=tmp_path)
    files = hub.repos["models", "org/legend"].files
    assert set(files) == MODEL_FILES | {".gitattributes", "swatches/legend.png"}


def test_push_without_organisation(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = saved_model(tmp_path)
    client(push, tmp_path, "streets")
    assert client(load, f"{USER}/streets") == facts(model)


def test_private_model_needs_a_token(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = saved_model(tmp_path)
    client(push, tmp_path, "org/private", private=True)
    assert hub.repos["models", "org/private"].private
    message = refusal(FileNotFoundError, client, load, "org/private", token=False)
    assert message.startswith("org/private: no such folder, and no such repo on the Hub, or a private one")
    assert client(load, "org/private") == facts(model)
    with unchanged(hub, "org/private"):
        message = refusal(ConnectionError, client, push, tmp_path, "org/private", token=False)
    assert message.startswith("org/private: could not be pushed: the Hub answered 401")


def test_a_push_without_having_signed_in_says_how(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    message = refusal(ConnectionError, client, without_token, push, tmp_path, "org/unsigned")
    assert message.startswith("org/unsigned: could not be pushed: the Hub answered 401 ")
    assert message.endswith("; `hf auth login` is needed first.")


def test_a_push_may_be_a_pull_request(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path / "first", seed=1)
    second = saved_model(tmp_path / "second", seed=2)
    client(push, tmp_path / "first", "org/proposals")
    before = hub.repos["models", "org/proposals"].files
    assert client(push, tmp_path / "second", "org/proposals", create_pr=True).endswith("org/proposals/discussions/1")
    assert hub.repos["models", "org/proposals"].files == before
    assert client(load, "org/proposals", revision="refs/pr/1") == facts(second)


def test_private_push_to_a_public_repo_is_refused(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    hub.commit("models", "org/public", {"notes.txt": b"public"})
    for revision in (None, "trial"):
        with unchanged(hub, "org/public"):
            message = refusal(ValueError, client, push, tmp_path, "org/public", private=True, revision=revision)
        assert message == "org/public: cannot be pushed as private: the repo is there already and public."


def test_a_branch_that_is_not_there_starts_from_main(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path / "first", seed=1)
    second, third = saved_model(tmp_path / "second", seed=2), saved_model(tmp_path / "third", seed=3)
    client(push, tmp_path / "first", "org/branches")
    hub.commit("models", "org/branches", {"notes.txt": b"on main", "README.md": EDITED_CARD})
    repo = hub.repos["models", "org/branches"]
    main = repo.branches["main"]
    client(push, tmp_path / "second", "org/branches", revision="trial/one")
    assert client(load, "org/branches", revision="trial/one") == facts(second)
    client(push, tmp_path / "third", "org/branches", revision="trial/one")
    assert client(load, "org/branches", revision="trial/one") == facts(third)
    trial = repo.branches["trial/one"]
    assert (trial.files["notes.txt"].data, trial.files["README.md"].data) == (b"on main", EDITED_CARD)
    assert len(repo.commits) == 5  # the first, the push, the edit, and two on the branch
    assert repo.branches["main"] is main
    client(create_tag, "org/branches", "v2", "trial/one")
    assert client(refs, "org/branches") == [("main", main.id), ("trial/one", trial.id), ("v2", trial.id)]
    with unchanged(hub, "org/branches"):
        message = refusal(ConnectionError, client, push, tmp_path / "second", "org/branches", revision="v2")
    assert message.startswith("org/branches: could not be pushed: the Hub answered 404")  # tags stay


# -- refused before anything is sent -----------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a/b/c", "bad name!", "", "größe", "org/-name", "org/a--b", "org/name.git", "org/" + "n" * 97, None, 7]
)
def test_invalid_names_are_refused_before_anything_is_sent(hub: HubServer, name: Any) -> None:
    asked = len(hub.requests)
    message = refusal(ValueError, small_model().push_to_hub, name)
    assert message.startswith(f"{name!r} is not the id of a Hub repo; use organisation/name")
    assert len(hub.requests) == asked


def test_push_without_title_or_folder_is_refused_before_anything_is_sent(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    saved_model(tmp_path)
    asked = len(hub.requests)
    message = refusal(ValueError, client, push, tmp_path, "org/untitled", commit_message="")
    assert message == "commit_message is empty; give the commit a title."
    message = refusal(FileNotFoundError, client, push, tmp_path, "org/lost", folder=tmp_path / "nowhere")
    assert message.startswith(f"{tmp_path / 'nowhere'}: no such folder")
    assert len(hub.requests) == asked


# -- failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("/api/repos/create", 429),
        ("/api/repos/create", 500),
        ("/api/models/org/steps", 401),  # the last commit
        ("/api/models/org/steps", 500),
        ("/README.md", 403),
        ("/api/validate-yaml", 500),
        ("/preupload/", 403),
        ("/objects/batch", 403),
        ("/lfs-storage/", 403),
        ("/commit/", 403),
        ("/commit/", 429),
        ("/commit/", 500),
    ],
)
def test_failure_at_any_step_changes_nothing(
    hub: HubServer, client: Client, tmp_path: Path, step: str, status: int
) -> None:
    first = push_one_save_another(client, hub, tmp_path, "org/steps")
    with unchanged(hub, "org/steps"), hub.failing(step, status):
        message = refusal(ConnectionError, client, push, tmp_path, "org/steps")
    assert message.startswith("org/steps: could not be pushed: ")
    assert str(status) in message or step == "/api/validate-yaml"  # whose answer the client reads before its status
    assert client(load, "org/steps") == facts(first)


def test_failure_in_the_middle_of_an_upload_changes_nothing(hub: HubServer, client: Client, tmp_path: Path) -> None:
    first = push_one_save_another(client, hub, tmp_path, "org/middle")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "new.png").write_bytes(b"arrives before the weights fail")
    arrives, fails = (
        hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() for file in ("samples/new.png", "model.safetensors")
    )
    with unchanged(hub, "org/middle"), hub.failing(fails, 500, waits_for=arrives):
        message = refusal(ConnectionError, client, push, tmp_path, "org/middle", folder=tmp_path)
    assert message == (
        "org/middle: could not be pushed: Error while uploading 'model.safetensors' to the Hub: "
        "the Hub answered 500 Internal Server Error."
    )
    assert hub.has(arrives)
    assert hub.requests.count(f"PUT /lfs-storage/{fails}") > 1  # the client tried again
    assert client(load, "org/middle") == facts(first)


def test_connection_cut_before_the_commit_arrives_changes_nothing(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    first = push_one_save_another(client, hub, tmp_path, "org/cut")
    with unchanged(hub, "org/cut"), hub.cutting("/commit/", "POST"):
        message = refusal(ConnectionError, client, push, tmp_path, "org/cut")
    assert message.startswith("org/cut: could not be pushed: ")
    assert client(load, "org/cut") == facts(first)


def test_upload_goes_on_after_a_cut_connection_and_too_many_requests(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    model = saved_model(tmp_path, seed=2005)
    oid = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    with hub.cutting(oid, "PUT", times=1), hub.failing("/preupload/", 429, times=1):
        client(push, tmp_path, "org/goes-on")
    assert hub.requests.count(f"PUT /lfs-storage/{oid}") == 2
    assert sum(request.startswith("POST /api/models/org/goes-on/preupload") for request in hub.requests) == 2
    assert client(load, "org/goes-on") == facts(model)


def test_push_refused_by_the_hub(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    message = refusal(ConnectionError, client, push, tmp_path, "org/refused", token="hf_wrong")
    assert message == (
        "org/refused: could not be pushed: the Hub answered 401 Unauthorized "
        "(Invalid credentials in Authorization header)."
    )
    assert ("models", "org/refused") not in hub.repos
    message = refusal(ConnectionError, client, push, tmp_path, "org/refused", token="hf_größe")
    assert message == "org/refused: could not be pushed: the token holds characters that no token has."


def test_push_without_a_connection(client: Client, offline: Client, lonely: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    message = refusal(ConnectionError, lonely, push, tmp_path, "org/far-away")
    assert message == "org/far-away: could not be pushed: [Errno 111] Connection refused."
    message = refusal(ConnectionError, offline, push, tmp_path, "org/far-away")
    assert message == "org/far-away: could not be pushed: the client is in offline mode (HF_HUB_OFFLINE)."


def test_card_edited_during_the_push_survives(hub: HubServer, client: Client, tmp_path: Path) -> None:
    push_one_save_another(client, hub, tmp_path, "org/meanwhile")
    repo = hub.repos["models", "org/meanwhile"]
    with hub.after("/preupload/", "POST", lambda: hub.commit("models", "org/meanwhile", {"README.md": EDITED_CARD})):
        message = refusal(ConnectionError, client, push, tmp_path, "org/meanwhile")
    assert message == (
        "org/meanwhile: could not be pushed: the Hub answered 412 Precondition Failed "
        "(A commit has happened since; Please refresh and try again)."
    )
    assert [commit.title for commit in repo.commits][-2:] == ["Upload CRN", "Commit in the browser"]
    client(push, tmp_path, "org/meanwhile")
    assert repo.files["README.md"] == EDITED_CARD
    assert repo.files["model.safetensors"] == (tmp_path / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("front_matter", "complaint"),
    [
        ("license: all mine", '"license" must be one of [mit, apache-2.0'),
        ("license: [mit", "YAML: while parsing a flow sequence"),
        ("- mit", "the metadata must be a mapping"),
        ("tags: street", '"tags" must be an array of strings'),
        ("datasets: [1]", '"datasets" must be an array of strings'),
        ("pipeline_tag: 3", '"pipeline_tag" must be a string'),
        ("model-index: [{name: streets}]", '"model-index" is not of the documented shape'),
    ],
)
def test_card_that_the_hub_refuses(
    hub: HubServer, client: Client, tmp_path: Path, front_matter: str, complaint: str
) -> None:
    saved_model(tmp_path, seed=2009)
    client(push, tmp_path, "org/bad-card")
    (tmp_path / "README.md").write_text(f"---\n{front_matter}\n---\n# Streets\n")
    with unchanged(hub, "org/bad-card"):
        message = refusal(ValueError, client, push, tmp_path, "org/bad-card", folder=tmp_path)
    assert message.startswith(f"org/bad-card: could not be pushed: the Hub refuses README.md: {complaint}")


@pytest.mark.parametrize(
    "licence", ["mit", "non-commercial-research", "CC BY-NC-SA 4.0 and more: #1", 'no "licence"\nat all', None]
)
def test_card_of_any_record_is_one_that_the_hub_takes(
    hub: HubServer, client: Client, tmp_path: Path, licence: str | None
) -> None:
    record = {
        "dataset": "three streets: #1",
        "hub_dataset": "org/streets",
        "license": licence,
        "settings": {"resolution": 256},
        "result": {"hours": 0.5, "validation_loss": 1.25},
    }
    saved_model(tmp_path, record=record)
    asked = len(hub.requests)
    client(push, tmp_path, "org/any-record")
    assert "POST /api/validate-yaml" in hub.requests[asked:]
    assert b"three streets" in hub.repos["models", "org/any-record"].files["README.md"]
