"""Loading models, feature networks and data sets from a Hub: what comes, and that every failure is one sentence.

After each test, failed or not, the client's cache holds whole files only.
"""

import io
import json
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi, snapshot_download
from PIL import Image
from safetensors.numpy import save
from support.hub_client import (
    Client,
    contents,
    facts,
    load,
    push,
    refusal,
    saved_model,
    small_model,
    without_token,
)
from support.hub_server import TOKEN, HubServer

from crn_hub import CRN, ClassSet, LayoutError
from crn_hub.cli import app, run
from crn_hub.data import PairDataset, dataset_license, find_classes, load_rows, load_splits
from crn_hub.data_options import DataOptions
from crn_hub.hub.source import Source
from crn_hub.vgg import load_features

# -- what runs in a child ----------------------------------------------------------------------------


def create_tag(repo_id: str, tag: str) -> None:
    HfApi().create_tag(repo_id, tag=tag)


def create_dataset_tag(repo_id: str, tag: str) -> None:
    HfApi().create_tag(repo_id, tag=tag, repo_type="dataset")


def feature_facts(name: str) -> tuple[str, list[float], dict[str, np.ndarray]]:
    network = load_features(name)
    return (
        network.architecture,
        network.mean.flatten().tolist(),
        {key: tensor.numpy() for key, tensor in network.state_dict().items()},
    )


def dataset_facts(name: str) -> tuple[list[tuple[np.ndarray, np.ndarray]], int, ClassSet, str | None]:
    train, held_out, *_ = load_rows(name)
    pairs = [(np.array(row["image"]), np.array(row["label"])) for row in (*train, *held_out)]
    return pairs, len(held_out), find_classes(name), dataset_license(name)


def load_while_reading_the_cache(name: str) -> None:
    """Begins to read what the cache has of a model, and lets another load take the Hub's newest commit meanwhile."""
    with Source(name, local_files_only=True) as source:
        source.fetch("config.json", 2**20)
        CRN.from_pretrained(name)


def synthesize(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `crn synthesize`."""
    sys.argv = ["crn", "synthesize", *map(str, arguments)]
    with redirect_stdout(io.StringIO()) as output, redirect_stderr(io.StringIO()) as errors:
        try:
            run(app)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, output.getvalue(), errors.getvalue()


# -- helpers -----------------------------------------------------------------------------------------


def snapshots(home: Path) -> dict[tuple[str, str, str, str], bytes]:
    """(kind, repo, commit, path) -> contents of all that the client's cache shows."""
    files = {}
    for file in (home / "hub").glob("*--*/snapshots/*/**/*"):
        if file.is_file():
            folder, _, commit, *path = file.relative_to(home / "hub").parts
            kind, repo_id = folder.split("--", 1)
            files[kind, repo_id.replace("--", "/"), commit, "/".join(path)] = file.read_bytes()
    return files


@pytest.fixture(autouse=True)
def whole_files_only(hub: HubServer, home: Path) -> Iterator[None]:
    yield
    for (kind, repo_id, commit, path), data in snapshots(home).items():
        found = hub.repos[kind, repo_id].find(commit)
        assert found is not None
        assert found.files[path].data == data, path
    assert not list((home / "hub").rglob("*.incomplete"))
    assert not list((home / "hub").rglob(".*.part"))
    assert not list((home / "temporary").iterdir())


def published(hub: HubServer, folder: Path, repo_id: str, seed: int = 0, record: Any = None) -> CRN:
    """A model that somebody has published, made in `folder`."""
    model = saved_model(folder, seed, *([] if record is None else [record]))
    hub.commit("models", repo_id, contents(folder))
    return model


# -- by name, revision and tag, online and offline ---------------------------------------------------


def test_model_loads_by_branch_tag_and_commit_online_and_offline(
    hub: HubServer, client: Client, offline: Client, tmp_path: Path
) -> None:
    first = published(hub, tmp_path, "org/history", seed=1)
    client(create_tag, "org/history", "v1")
    commit = hub.repos["models", "org/history"].commits[-1].id
    second = published(hub, tmp_path, "org/history", seed=2)
    third = saved_model(tmp_path, seed=3)
    client(push, tmp_path, "org/history", revision="trial/one")
    expected = [(None, second), ("main", second), ("v1", first), (commit, first), ("trial/one", third)]
    for call, options in ((client, {}), (client, {"force_download": True}), (offline, {}), (client, {})):
        for revision, model in expected:
            assert call(load, "org/history", revision=revision, **options) == facts(model)
    for revision, model in expected:
        assert client(load, "org/history", revision=revision, local_files_only=True) == facts(model)
    message = refusal(FileNotFoundError, client, load, "org/history", revision="v9")
    assert message == "org/history: the repo has no revision 'v9'."
    message = refusal(ConnectionError, offline, load, "org/history", revision="v9")
    assert message == (
        "org/history: config.json is not in the cache and could not be fetched from the Hub: "
        "the client is in offline mode (HF_HUB_OFFLINE)."
    )
    for wrong in ("", 5):
        message = refusal(ValueError, client, load, "org/history", revision=wrong)
        assert message == f"revision must be the name of a branch or tag or a commit's id, not {wrong!r}."


def test_model_loads_from_a_whole_snapshot_without_a_connection(
    hub: HubServer, client: Client, offline: Client, lonely: Client, home: Path, tmp_path: Path
) -> None:
    model = published(hub, tmp_path, "org/snapshot", record={})
    client(snapshot_download, "org/snapshot")
    assert offline(load, "org/snapshot") == facts(model)
    assert lonely(load, "org/snapshot") == facts(model)
    assert client(load, "org/snapshot", local_files_only=True) == facts(model)
    found = {path for _, repo_id, _, path in snapshots(home) if repo_id == "org/snapshot"}
    assert {"config.json", "model.safetensors", "README.md"} <= found  # what `whole_files_only` compares


def test_forced_download_needs_a_connection(
    hub: HubServer, client: Client, offline: Client, lonely: Client, tmp_path: Path
) -> None:
    published(hub, tmp_path, "org/forced")
    client(load, "org/forced")
    message = refusal(ConnectionError, offline, load, "org/forced", force_download=True)
    assert message == (
        "org/forced: config.json could not be fetched from the Hub: the client is in offline mode (HF_HUB_OFFLINE)."
    )
    message = refusal(ConnectionError, lonely, load, "org/forced", force_download=True)
    assert message == "org/forced: config.json could not be fetched from the Hub: [Errno 111] Connection refused."
    message = refusal(ValueError, client, load, "org/forced", force_download=True, local_files_only=True)
    assert message == "Cannot pass 'force_download=True' and 'local_files_only=True' at the same time."


def test_model_in_the_cache_loads_while_the_hub_refuses_or_is_away(
    hub: HubServer, client: Client, lonely: Client, tmp_path: Path
) -> None:
    trained = published(hub, tmp_path / "trained", "org/trained")
    converted = published(hub, tmp_path / "converted", "org/converted", record={})
    for repo_id, model in (("org/trained", trained), ("org/converted", converted)):
        client(load, repo_id)
        with hub.failing("", 403):
            assert client(load, repo_id) == facts(model)
        assert lonely(load, repo_id) == facts(model)


def test_model_that_is_not_in_the_cache(client: Client, offline: Client) -> None:
    message = refusal(ConnectionError, offline, load, "org/never-seen")
    assert message.startswith("org/never-seen: config.json is not in the cache and could not be fetched from the Hub")
    message = refusal(ConnectionError, client, load, "org/never-seen", local_files_only=True)
    assert message.endswith("only the cache may be read (local_files_only).")


def test_model_in_the_cache_costs_one_request(hub: HubServer, client: Client, tmp_path: Path) -> None:
    published(hub, tmp_path, "org/cheap", record={})
    client(load, "org/cheap")
    asked = len(hub.requests)
    client(load, "org/cheap")
    assert hub.requests[asked:] == ["HEAD /org/cheap/resolve/main/config.json"]


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_push_during_a_load_mixes_nothing(hub: HubServer, client: Client, tmp_path: Path, method: str) -> None:
    repo_id = f"org/moving-{method.lower()}"
    first = published(hub, tmp_path / "first", repo_id, seed=1)
    second = saved_model(tmp_path / "second", seed=2, record={"dataset": "another"})
    with hub.after("/config.json", method, lambda: hub.commit("models", repo_id, contents(tmp_path / "second"))):
        assert client(load, repo_id) == facts(first)
    assert len(hub.repos["models", repo_id].commits) == 2
    assert client(load, repo_id) == facts(second)


def test_reading_the_cache_does_not_bring_back_an_older_commit(
    hub: HubServer, client: Client, offline: Client, tmp_path: Path
) -> None:
    published(hub, tmp_path, "org/overlap", seed=1)
    client(load, "org/overlap")
    second = published(hub, tmp_path, "org/overlap", seed=2)
    client(load_while_reading_the_cache, "org/overlap")
    assert offline(load, "org/overlap") == facts(second)


# -- the command -------------------------------------------------------------------------------------


def test_photographs_by_a_model_on_the_hub(hub: HubServer, client: Client, tmp_path: Path) -> None:
    published(hub, tmp_path / "model", "org/command")
    Image.new("L", (32, 16), 3).save(tmp_path / "street.png")
    code, output, errors = client(synthesize, "org/command", tmp_path / "street.png", "--output", tmp_path / "out")
    assert (code, errors) == (0, "")
    assert output.splitlines() == [str(tmp_path / "out" / f"street_{number}.png") for number in (1, 2)]


def test_the_command_ends_with_one_line_where_no_model_comes(
    hub: HubServer, client: Client, offline: Client, tmp_path: Path
) -> None:
    Image.new("L", (32, 16), 3).save(tmp_path / "street.png")
    published(hub, tmp_path / "model", "org/ailing")
    arguments = (tmp_path / "street.png", "--output", tmp_path / "out")
    assert client(synthesize, "org/nobodys", *arguments) == (
        2,
        "",
        "crn: org/nobodys: no such folder, and no such repo on the Hub, or a private one that this token may not "
        "see.\n",
    )
    with hub.failing("/config.json", 500):
        assert client(synthesize, "org/ailing", *arguments) == (
            1,
            "",
            "crn: org/ailing: config.json is not in the cache and could not be fetched from the Hub: "
            "the Hub answered 500 Internal Server Error.\n",
        )
    assert offline(synthesize, "org/ailing", *arguments) == (
        1,
        "",
        "crn: org/ailing: config.json is not in the cache and could not be fetched from the Hub: "
        "the client is in offline mode (HF_HUB_OFFLINE).\n",
    )
    assert not (tmp_path / "out").exists()


# -- who may -----------------------------------------------------------------------------------------


def test_private_repo_needs_the_token(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = published(hub, tmp_path, "org/secret")
    hub.repos["models", "org/secret"].private = True
    message = refusal(FileNotFoundError, client, load, "org/secret", token=False)
    assert message == (
        "org/secret: no such folder, and no such repo on the Hub, or a private one, which nobody sees without a token."
    )
    message = refusal(FileNotFoundError, client, without_token, load, "org/secret")
    assert message == (
        "org/secret: no such folder, and no such repo on the Hub, or a private one, for which `hf auth login` is "
        "needed first."
    )
    assert client(load, "org/secret", token=TOKEN) == facts(model)


def test_a_folder_within_a_repo_or_a_folder(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = saved_model(tmp_path / "runs" / "last", seed=5)
    hub.commit(
        "models", "org/runs", {f"runs/last/{name}": data for name, data in contents(tmp_path / "runs/last").items()}
    )
    assert client(load, "org/runs", subfolder="runs/last") == facts(model)
    assert client(load, str(tmp_path), subfolder="runs/last/") == facts(model)
    message = refusal(FileNotFoundError, client, load, "org/runs", subfolder="runs/first")
    assert message == "org/runs: the repo on the Hub holds no runs/first/config.json."
    message = refusal(FileNotFoundError, client, load, str(tmp_path), subfolder="runs")
    assert message == f"{tmp_path}: the folder holds no runs/config.json."
    for outside in ("../runs", "/runs"):
        message = refusal(ValueError, client, load, str(tmp_path), subfolder=outside)
        assert message == f"subfolder must be a folder within {tmp_path}, not {outside!r}."


def test_a_checkpoint_of_a_run_stands_for_its_model(tmp_path: Path) -> None:
    model = saved_model(tmp_path / "run" / "checkpoint-500" / "model", seed=5)
    (tmp_path / "run" / "checkpoint-500" / "progress.json").write_text("{}")
    assert facts(CRN.from_pretrained(tmp_path / "run" / "checkpoint-500")) == facts(model)


def test_box_is_the_model_that_comes_with_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = saved_model(tmp_path / "box")
    assert facts(CRN.from_pretrained("box")) == facts(CRN.from_pretrained())
    assert facts(CRN.from_pretrained("./box")) == facts(model)


@pytest.mark.parametrize(
    ("call", "arguments", "advice"),
    [
        (CRN.from_pretrained, {"torch_dtype": torch.float16}, "convert the model that is returned: .to(torch.float16)"),
        (CRN.from_pretrained, {"device_map": "auto"}, 'name one device, as in map_location="cuda"; a network fits on'),
        (CRN.save_pretrained, {"push_to_hub": True}, "call push_to_hub(repo_id, folder=save_directory) afterwards."),
        (CRN.push_to_hub, {"safe_serialization": True}, "leave it out; weights are always safetensors."),
    ],
)
def test_arguments_of_other_libraries_get_advice(
    tmp_path: Path, call: Callable[..., Any], arguments: dict[str, Any], advice: str
) -> None:
    first = () if call == CRN.from_pretrained else (small_model(),)
    with pytest.raises(TypeError, match=re.escape(f"has no argument '{next(iter(arguments))}': {advice}")):
        call(*first, tmp_path / "model", **arguments)
    with pytest.raises(TypeError, match=r"has no argument 'verbose'\."):
        call(*first, tmp_path / "model", verbose=True)
    assert not (tmp_path / "model").exists()


def test_pointers_of_git_lfs_are_named(tmp_path: Path) -> None:
    saved_model(tmp_path)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (tmp_path / "model.safetensors").write_bytes(pointer)
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message == (
        f"{tmp_path}: model.safetensors is only a pointer of git LFS; with git-lfs installed, `git lfs pull` in its "
        "folder fetches the file itself."
    )


def test_wrong_token(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = published(hub, tmp_path, "org/open")
    message = refusal(ConnectionError, client, load, "org/open", token="hf_wrong")
    assert message == (
        "org/open: config.json could not be fetched from the Hub: the Hub answered 401 Unauthorized "
        "(Invalid credentials in Authorization header)."
    )
    message = refusal(ConnectionError, client, load, "org/open", token="hf_größe")
    assert message.endswith("the token holds characters that no token has.")
    assert client(load, "org/open", token=TOKEN) == facts(model)


def test_gated_repo(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = published(hub, tmp_path, "org/gated")
    with hub.failing("/config.json", 403, error_code="GatedRepo"):
        message = refusal(ConnectionError, client, load, "org/gated")
    assert message == (
        "org/gated: config.json could not be fetched from the Hub: "
        "access must be requested on its page on the Hub first."
    )
    assert client(load, "org/gated") == facts(model)


def test_forbidden_repo(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = published(hub, tmp_path, "org/forbidden")
    with hub.failing("/config.json", 403):
        message = refusal(ConnectionError, client, load, "org/forbidden")
    assert message.endswith("could not be fetched from the Hub: the Hub answered 403 Forbidden.")
    assert client(load, "org/forbidden") == facts(model)


@pytest.mark.parametrize("options", [{}, {"token": False}, {"force_download": True}], ids=["404", "401", "forced"])
def test_unknown_repo(client: Client, options: dict[str, Any]) -> None:
    message = refusal(FileNotFoundError, client, load, "org/nothing", **options)
    assert message.startswith("org/nothing: no such folder, and no such repo on the Hub")


# -- what the Hub may answer instead of a model ------------------------------------------------------


def test_pickle_is_refused_and_never_downloaded(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    config = (tmp_path / "config.json").read_bytes()
    hub.commit("models", "org/pickle", {"config.json": config, "pytorch_model.bin": b"not opened"})
    asked = len(hub.requests)
    message = refusal(FileNotFoundError, client, load, "org/pickle")
    assert message == (
        "org/pickle: the repo on the Hub holds no model.safetensors (weights are read from safetensors only)."
    )
    assert any("/config.json" in request for request in hub.requests[asked:])
    assert not any("pytorch_model.bin" in request for request in hub.requests)


def test_repo_without_config_gives_no_default_network(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    hub.commit("models", "org/bare", {"model.safetensors": (tmp_path / "model.safetensors").read_bytes()})
    message = refusal(FileNotFoundError, client, load, "org/bare")
    assert message == "org/bare: the repo on the Hub holds no config.json."


@pytest.mark.parametrize(
    ("file", "size", "limit"),
    [
        ("config.json", 2**20 + 1, 2**20),
        ("model.safetensors", 2**21, 2**20 + 8 * 2_094),
        ("training.json", 2**21, 2**20),
    ],
)
def test_files_longer_than_they_can_be_are_not_downloaded(
    hub: HubServer, client: Client, tmp_path: Path, file: str, size: int, limit: int
) -> None:
    model = saved_model(tmp_path)
    assert model.num_parameters == 2_094
    hub.commit("models", f"org/long-{file[0]}", {**contents(tmp_path), file: bytes(size)})
    asked = len(hub.requests)
    message = refusal(ValueError, client, load, f"org/long-{file[0]}")
    assert message == f"org/long-{file[0]}: {file} has {size:,} bytes, more than the {limit:,} that it can need."
    requests = [request for request in hub.requests[asked:] if file in request]
    assert requests
    assert not any(request.startswith("GET") for request in requests)


@pytest.mark.parametrize(
    ("file", "data", "complaint"),
    [
        ("config.json", b'{"widths": [8192, 8192', "config.json is not readable JSON ("),
        ("model.safetensors", b"", "model.safetensors is not a readable safetensors file ("),
        ("model.safetensors", (2**60).to_bytes(8, "little") + b"{}", "model.safetensors is not a readable"),
        ("training.json", b"[" * 100_000, "training.json is not readable JSON ("),
    ],
)
def test_broken_file_in_a_repo_is_named(
    hub: HubServer, client: Client, tmp_path: Path, file: str, data: bytes, complaint: str
) -> None:
    saved_model(tmp_path)
    hub.commit("models", "org/broken", {**contents(tmp_path), file: data})
    assert refusal(ValueError, client, load, "org/broken").startswith(f"org/broken: {complaint}")


# -- when things go wrong on the way -----------------------------------------------------------------


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "training.json"])
def test_server_error_while_a_file_arrives(hub: HubServer, client: Client, tmp_path: Path, file: str) -> None:
    repo_id = f"org/error-{file.split('.')[0]}"
    model = published(hub, tmp_path, repo_id)
    with hub.failing(f"/{file}", 500, method="GET"):
        message = refusal(ConnectionError, client, load, repo_id)
    assert message == (
        f"{repo_id}: {file} could not be fetched from the Hub: the Hub answered 500 Internal Server Error."
    )
    assert client(load, repo_id) == facts(model)


def test_server_error_from_the_start(hub: HubServer, client: Client, tmp_path: Path) -> None:
    published(hub, tmp_path, "org/error")
    with hub.failing("/config.json", 500):
        message = refusal(ConnectionError, client, load, "org/error")
    assert message == (
        "org/error: config.json is not in the cache and could not be fetched from the Hub: "
        "the Hub answered 500 Internal Server Error."
    )


def test_too_many_requests_are_waited_out(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = published(hub, tmp_path, "org/busy", seed=11)
    with (
        hub.failing("/config.json", 429, method="HEAD", times=2),
        hub.failing("/model.safetensors", 429, method="GET", times=1),
    ):
        assert client(load, "org/busy") == facts(model)


def test_cut_connection_is_made_again(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = published(hub, tmp_path, "org/resumed", seed=12)
    with hub.cutting("/model.safetensors", "GET", times=1), hub.cutting("/training.json", "GET", times=1):
        assert client(load, "org/resumed") == facts(model)


def test_failed_load_of_a_new_revision_leaves_the_one_before_usable(
    hub: HubServer, client: Client, offline: Client, tmp_path: Path
) -> None:
    first = published(hub, tmp_path, "org/updated", seed=13)
    client(load, "org/updated")
    second = published(hub, tmp_path, "org/updated", seed=14)
    with hub.cutting("/model.safetensors", "GET"):
        message = refusal(ConnectionError, client, load, "org/updated")
    assert message.startswith(
        "org/updated: model.safetensors could not be fetched from the Hub: peer closed connection"
    )
    assert offline(load, "org/updated") == facts(first)
    with hub.truncating("/model.safetensors"):
        message = refusal(ConnectionError, client, load, "org/updated")
    size = (tmp_path / "model.safetensors").stat().st_size
    assert message == (
        "org/updated: model.safetensors could not be fetched from the Hub: Consistency check failed: "
        f"file should be of size {size} but has size {size // 2}."
    )
    assert offline(load, "org/updated") == facts(first)
    assert client(load, "org/updated") == facts(second)
    assert offline(load, "org/updated") == facts(second)


def test_failed_load_of_a_broken_revision_leaves_the_one_before_usable(
    hub: HubServer, client: Client, offline: Client, tmp_path: Path
) -> None:
    first = published(hub, tmp_path, "org/spoilt")
    client(load, "org/spoilt")
    hub.commit("models", "org/spoilt", {"model.safetensors": b"no safetensors"})
    message = refusal(ValueError, client, load, "org/spoilt")
    assert message.startswith("org/spoilt: model.safetensors is not a readable safetensors file (")
    assert offline(load, "org/spoilt") == facts(first)


def test_cache_that_cannot_be_written(hub: HubServer, client: Client, tmp_path: Path) -> None:
    published(hub, tmp_path / "model", "org/no-room")
    (tmp_path / "cache").write_text("a file")
    message = refusal(ConnectionError, client, load, "org/no-room", cache_dir=tmp_path / "cache")
    assert message.startswith("org/no-room: config.json could not be fetched from the Hub: ")


# -- feature networks --------------------------------------------------------------------------------

CONVOLUTIONS_PER_BLOCK = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def vgg_tensors(architecture: str) -> dict[str, np.ndarray]:
    """A checkpoint as timm has it, in float16; what lies behind conv5_2 has shapes that no VGG has."""
    random = np.random.default_rng(0)
    tensors = {"pre_logits.fc1.weight": np.zeros(1, np.float16), "head.fc.bias": np.zeros(1, np.float16)}
    position, channels = 0, 3
    for block, width in enumerate((64, 128, 256, 512, 512)):
        for number in range(CONVOLUTIONS_PER_BLOCK[architecture][block]):
            read = block < 4 or number < 2
            shape = (width, channels, 3, 3) if read else (1,)
            tensors[f"features.{position}.weight"] = random.random(shape, np.float32).astype(np.float16)
            tensors[f"features.{position}.bias"] = random.random(shape[:1], np.float32).astype(np.float16)
            position, channels = position + 2, width  # a ReLU follows
        position += 1  # a pooling follows
    return tensors


@pytest.mark.parametrize(
    ("name", "architecture", "convolutions"), [("vgg19", "vgg19", 14), ("timm/vgg16.tv_in1k", "vgg16", 12)]
)
def test_feature_network_from_the_hub(
    hub: HubServer, client: Client, name: str, architecture: str, convolutions: int
) -> None:
    stored, repo_id = vgg_tensors(architecture), f"timm/{architecture}.tv_in1k"
    message = refusal(FileNotFoundError, client, feature_facts, name)  # nothing is there yet
    assert message == (
        f"{repo_id}: no such folder, and no such repo on the Hub, or a private one that this token may not see; "
        "vgg16 needs no download."
    )
    hub.commit("models", repo_id, {"model.safetensors": save(stored)})
    with hub.failing("/model.safetensors", 403):
        message = refusal(ConnectionError, client, feature_facts, name)
    assert message.startswith(f"{repo_id}: model.safetensors is not in the cache")
    assert message.endswith("the Hub answered 403 Forbidden; vgg16 needs no download.")
    asked = len(hub.requests)
    with hub.cutting("/model.safetensors", "GET", times=1):
        found, mean, tensors = client(feature_facts, name)
    resumed = [request for request in hub.requests[asked:] if " bytes=" in request]
    assert [request.rpartition(" ")[2] for request in resumed] == [f"bytes={10 * 2**20}-"]  # the client counts by 10 MB
    assert found == architecture
    assert mean == pytest.approx([123.675, 116.28, 103.53])
    assert len(tensors) == 2 * convolutions
    for key, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, stored[key.replace("convolutions", "features")])


def test_unknown_feature_network(client: Client) -> None:
    message = refusal(FileNotFoundError, client, feature_facts, "resnet50")
    assert message.startswith("resnet50: neither a feature network (vgg16, vgg19, ")


# -- data sets ---------------------------------------------------------------------------------------


def hub_parquet(rows: int) -> bytes:
    """Black photographs with labels of sky."""
    from datasets import Dataset, Features
    from datasets import Image as ImageColumn

    row = {"image": Image.new("RGB", (8, 6)), "label": Image.new("L", (8, 6))}
    parquet = io.BytesIO()
    Dataset.from_list([row] * rows, Features(image=ImageColumn(), label=ImageColumn())).to_parquet(parquet)
    return parquet.getvalue()


def published_rows(hub: HubServer, repo_id: str) -> tuple[np.ndarray, np.ndarray]:
    """Three photographs and their labels."""
    from datasets import Dataset, Features
    from datasets import Image as ImageColumn

    random = np.random.default_rng(0)
    photographs = random.integers(0, 256, (3, 6, 8, 3), np.uint8)
    labels = random.integers(0, 11, (3, 6, 8), np.uint8)
    rows = [
        {"image": Image.fromarray(photograph), "label": Image.fromarray(label)}
        for photograph, label in zip(photographs, labels, strict=True)
    ]
    parquet = io.BytesIO()
    Dataset.from_list(rows, Features(image=ImageColumn(), label=ImageColumn())).to_parquet(parquet)
    hub.commit(
        "datasets",
        repo_id,
        {
            "README.md": b"---\nlicense: mit\n---\n# Streets\n",
            "classes.json": json.dumps(ClassSet.camvid().to_list()).encode(),
            "data/train-00000-of-00001.parquet": parquet.getvalue(),
        },
    )
    return photographs, labels


def test_dataset_from_the_hub(hub: HubServer, client: Client) -> None:
    photographs, labels = published_rows(hub, "org/streets")
    pairs, held_out, classes, licence = client(dataset_facts, "org/streets")
    np.testing.assert_array_equal([photograph for photograph, _ in pairs], photographs)
    np.testing.assert_array_equal([label for _, label in pairs], labels)
    assert held_out == 1
    assert classes == ClassSet.camvid()
    assert licence == "mit"


def split_sizes(name: str, options: DataOptions | None = None) -> tuple[dict[str, int], ClassSet]:
    splits = load_splits(name, options)
    for rows in splits.values():
        data = PairDataset(rows, CLASSES, (16, 32), *(options or DataOptions()).columns)
        assert [data.decode(row)[1].shape for row in data.used] == [(6, 8)] * len(rows)
    return {split: len(rows) for split, rows in splits.items()}, find_classes(name, options)


CLASSES = ClassSet.camvid()


def test_dataset_of_several_configurations_and_revisions(hub: HubServer, client: Client) -> None:
    published_rows(hub, "org/weather")
    hub.commit("datasets", "org/weather", {"data/train-00000-of-00001.parquet": hub_parquet(rows=2)})
    card = (
        b"---\nconfigs:\n- config_name: day\n  data_files: data/*\n- config_name: night\n  data_files: night/*\n---\n"
    )
    hub.commit("datasets", "org/weather", {"README.md": card, "night/train.parquet": hub_parquet(rows=5)})
    message = refusal(ValueError, client, split_sizes, "org/weather")
    assert message == "org/weather: has several configurations, day, night; choose one with --dataset_config_name."
    assert client(split_sizes, "org/weather", DataOptions(dataset_config_name="night")) == ({"train": 5}, CLASSES)
    message = refusal(ValueError, client, split_sizes, "org/weather", DataOptions(dataset_config_name="dusk"))
    assert message == "org/weather: no configuration 'dusk'; there are day, night."


def test_an_earlier_revision_of_a_dataset(hub: HubServer, client: Client) -> None:
    published_rows(hub, "org/growing")
    client(create_dataset_tag, "org/growing", "v1")
    hub.commit("datasets", "org/growing", {"data/train-00000-of-00001.parquet": hub_parquet(rows=2)})
    assert client(split_sizes, "org/growing") == ({"train": 2}, CLASSES)
    assert client(split_sizes, "org/growing", DataOptions(dataset_revision="v1")) == ({"train": 3}, CLASSES)
    message = refusal(FileNotFoundError, client, split_sizes, "org/growing", DataOptions(dataset_revision="v7"))
    assert message == "org/growing: the data set has no revision 'v7'."


def test_classes_beside_the_only_archive_of_a_dataset_are_not_data(hub: HubServer, client: Client) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for number in range(3):
            for kind in ("image", "label"):
                picture = io.BytesIO()
                Image.new("RGB" if kind == "image" else "L", (8, 6)).save(picture, "PNG")
                info = tarfile.TarInfo(f"{number}.{kind}.png")
                info.size = len(picture.getvalue())
                tar.addfile(info, io.BytesIO(picture.getvalue()))
    hub.commit(
        "datasets",
        "org/archived",
        {"train.tar": archive.getvalue(), "classes.json": json.dumps(CLASSES.to_list()).encode()},
    )
    options = DataOptions(image_column="image.png", label_column="label.png")
    assert client(split_sizes, "org/archived", options) == ({"train": 3}, CLASSES)


def test_paths_in_a_dataset_on_the_hub_are_refused(hub: HubServer, client: Client) -> None:
    """They could be of any file of whoever trains on it."""
    hub.commit("datasets", "org/paths", {"train.csv": b"image,label\n/etc/hostname,/etc/hostname\n"})
    message = refusal(ValueError, client, split_sizes, "org/paths")
    assert message.startswith("org/paths: column 'image' holds texts; a data set on the Hub must hold the pictures")


def test_dataset_that_the_hub_does_not_have(client: Client) -> None:
    message = refusal(FileNotFoundError, client, dataset_facts, "org/no-streets")
    assert message.startswith("org/no-streets: no such folder, and no such data set on the Hub, or a private one")


@pytest.mark.parametrize(
    ("part_of_path", "status", "error_code", "error", "complaint"),
    [
        ("", 401, "RepoNotFound", FileNotFoundError, "no such folder, and no such data set on the Hub, or a private"),
        ("", 403, "GatedRepo", ConnectionError, "could not be fetched from the Hub: access must be requested on"),
        ("", 403, "", ConnectionError, "could not be fetched from the Hub: the Hub answered 403 Forbidden."),
        (".parquet", 403, "", ConnectionError, "could not be fetched from the Hub: the Hub answered 403 Forbidden."),
        (
            "/api/",
            429,
            "",
            ConnectionError,
            "could not be fetched from the Hub: the Hub answered 429 Too Many Requests.",
        ),
    ],
)
def test_dataset_that_the_hub_refuses(
    hub: HubServer,
    client: Client,
    part_of_path: str,
    status: int,
    error_code: str,
    error: type[Exception],
    complaint: str,
) -> None:
    repo_id = f"org/closed-{len(hub.requests)}"
    published_rows(hub, repo_id)
    with hub.failing(part_of_path, status, error_code):
        message = refusal(error, client, dataset_facts, repo_id)
    assert message.startswith(f"{repo_id}: {complaint}")
    assert client(dataset_facts, repo_id)[3] == "mit"


def test_dataset_that_arrives_in_part(hub: HubServer, client: Client) -> None:
    published_rows(hub, "org/truncated")
    with hub.truncating(".parquet"):
        message = refusal(ValueError, client, dataset_facts, "org/truncated")
    assert message.startswith(
        "org/truncated: cannot be read as a data set (Consistency check failed: file should be of"
    )
    assert client(dataset_facts, "org/truncated")[3] == "mit"


def test_dataset_without_a_connection(offline: Client) -> None:
    message = refusal(ConnectionError, offline, dataset_facts, "org/far-streets")
    assert message.startswith("org/far-streets: could not be fetched from the Hub: Couldn't reach 'org/far-streets'")


def test_refused_classes_do_not_count_as_missing(hub: HubServer, client: Client) -> None:
    hub.commit("datasets", "org/closed", {"README.md": b"# Closed"})
    message = refusal(LayoutError, client, find_classes, "org/closed")
    assert message == (
        "org/closed: the repo on the Hub holds no classes.json; give the classes with --classes NAME|FILE."
    )
    with hub.failing("classes.json", 403):
        message = refusal(ConnectionError, client, find_classes, "org/closed")
    assert message == (
        "org/closed: classes.json is not in the cache and could not be fetched from the Hub: "
        "the Hub answered 403 Forbidden; --classes NAME|FILE makes it unnecessary."
    )


@pytest.mark.parametrize(
    "card", [b"# No metadata", b"---\nlicense: [mit\n---\n", b"---\n- mit\n---\n", b"---\nlicense: [1]\n---\n", b"\xff"]
)
def test_unreadable_card_of_a_data_set_states_no_licence(hub: HubServer, client: Client, card: bytes) -> None:
    hub.commit("datasets", "org/cards", {"README.md": card})
    assert client(dataset_license, "org/cards") is None


def test_data_sets_without_a_card_state_no_licence(hub: HubServer, client: Client, tmp_path: Path) -> None:
    hub.commit("datasets", "org/no-card", {"classes.json": b"[]"})
    assert client(dataset_license, "org/no-card") is None
    assert dataset_license(str(tmp_path)) is None


def test_a_failing_hub_does_not_count_as_a_missing_licence(hub: HubServer, client: Client, lonely: Client) -> None:
    hub.commit("datasets", "org/ailing", {"README.md": b"---\nlicense: mit\n---\n"})
    with hub.failing("/README.md", 503):
        message = refusal(ConnectionError, client, dataset_license, "org/ailing")
    assert message == (
        "org/ailing: README.md is not in the cache and could not be fetched from the Hub: "
        "the Hub answered 503 Service Unavailable."
    )
    message = refusal(ConnectionError, lonely, dataset_license, "org/ailing")
    assert message.endswith("could not be fetched from the Hub: [Errno 111] Connection refused.")
    assert client(dataset_license, "org/ailing") == "mit"


def test_offline_mode_knows_the_licences_in_the_cache(hub: HubServer, client: Client, offline: Client) -> None:
    hub.commit("datasets", "org/near-streets", {"README.md": b"---\nlicense: mit\n---\n"})
    client(dataset_license, "org/near-streets")
    assert offline(dataset_license, "org/near-streets") == "mit"
    assert offline(dataset_license, "org/far-streets") is None
