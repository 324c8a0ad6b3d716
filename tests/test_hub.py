"""Models, feature networks and data sets on a Hub: the real client, in a child process, against tests/hub_server.py.

What a child does is a function of this module (`push`, `load`, ...); `client(function, ...)` calls it there and gives
back its result or raises its exception.
"""

import io
import json
import multiprocessing
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hub_server import USER, HubServer
from huggingface_hub import snapshot_download
from PIL import Image
from safetensors.numpy import save
from safetensors.torch import load_file, save_file

from crn_hub import CRN, ClassSet, LayoutError
from crn_hub.data import find_classes, load_rows
from crn_hub.perceptual import load_features

Client = Callable[..., Any]

RECORD = {"dataset": "three streets", "settings": {"epochs": 2}, "loss_weights": {"conv1_2": 0.25}}
EDITED_CARD = "---\nlicense: mit\n---\n# Our streets\r\n\r\nEdited in the browser: größer, schöner.".encode()
MODEL_FILES = {"config.json", "model.safetensors", "training.json", "README.md"} | {
    f"swatches/{bytes(color).hex()}.png" for color in [*ClassSet.camvid().colors, (0, 0, 0)]
}


# -- what runs in a child ----------------------------------------------------------------------------


def push(saved: Path, repo_id: str, **options: Any) -> str:
    return CRN.from_pretrained(saved).push_to_hub(repo_id, **options)


def load(name: str, **options: Any) -> dict[str, Any]:
    return facts(CRN.from_pretrained(name, **options))


def feature_facts(name: str) -> tuple[str, list[float], dict[str, np.ndarray]]:
    network = load_features(name)
    return (
        network.architecture,
        network.mean.flatten().tolist(),
        {key: tensor.numpy() for key, tensor in network.state_dict().items()},
    )


def dataset_facts(name: str) -> tuple[list[tuple[np.ndarray, np.ndarray]], int, ClassSet]:
    train, held_out = load_rows(name)
    pairs = [(np.array(row["image"]), np.array(row["label"])) for row in (*train, *held_out)]
    return pairs, len(held_out), find_classes(name)


# -- helpers -----------------------------------------------------------------------------------------


@contextmanager
def child_process(environment: dict[str, str]) -> Iterator[Client]:
    """A fresh Python with these variables in its environment, for several calls."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            pool.submit(int).result()  # starts the process, so from here on its environment is fixed
        yield lambda function, *args, **options: pool.submit(function, *args, **options).result(timeout=60)


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the children keep the client's cache."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def client(hub: HubServer, home: Path) -> Iterator[Client]:
    with child_process(hub.environment(home)) as call:
        yield call


def small_model(seed: int = 0, record: dict[str, Any] = RECORD) -> CRN:
    torch.manual_seed(seed)
    model = CRN(ClassSet.camvid(), widths=(4, 4, 4), num_images=2)
    model.training_record = record
    return model


def saved_model(folder: Path, seed: int = 0, record: dict[str, Any] = RECORD) -> CRN:
    model = small_model(seed, record)
    model.save_pretrained(folder)
    return model


def facts(model: CRN) -> dict[str, Any]:
    """Everything that saving must keep, the tensors to the bit."""
    return {
        "classes": model.classes.to_list(),
        "widths": model.widths,
        "base_size": model.base_size,
        "num_images": model.num_images,
        "training_record": model.training_record,
        "tensors": {key: tensor.numpy().tobytes() for key, tensor in model.state_dict().items()},
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refusal(kind: type[Exception], call: Callable[..., Any], *args: Any, **options: Any) -> str:
    """The message with which a call fails; it must be one sentence, and its type must be `kind` itself."""
    with pytest.raises(kind) as caught:
        call(*args, **options)
    message = str(caught.value)
    assert caught.type is kind
    assert "\n" not in message
    assert message.endswith(".")
    return message


# -- models on the Hub -------------------------------------------------------------------------------


def test_pushed_model_comes_back_to_the_bit(hub: HubServer, client: Client, tmp_path: Path) -> None:
    model = saved_model(tmp_path)
    address = client(push, tmp_path, "org/whole")
    repo = hub.repos["models", "org/whole"]
    assert address == f"{hub.endpoint}/org/whole/commit/{repo.commits[-1].id}"
    assert set(repo.files) == MODEL_FILES | {".gitattributes"}
    assert repo.files["model.safetensors"] == (tmp_path / "model.safetensors").read_bytes()
    assert client(load, "org/whole") == facts(model)


def test_second_push_keeps_the_card_that_was_edited_on_the_hub(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path / "first", seed=1)
    second = saved_model(tmp_path / "second", seed=2)
    client(push, tmp_path / "first", "org/edited")
    hub.commit("models", "org/edited", {"README.md": EDITED_CARD})
    client(push, tmp_path / "second", "org/edited")
    repo = hub.repos["models", "org/edited"]
    assert [commit.title for commit in repo.commits] == [
        "initial commit",
        "Upload CRN",
        "Commit in the browser",
        "Upload CRN",
    ]
    assert repo.files["README.md"] == EDITED_CARD
    assert client(load, "org/edited") == facts(second)


def test_push_stops_if_the_card_on_the_hub_cannot_be_read(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    hub.commit("models", "org/unreadable-card", {"README.md": EDITED_CARD})
    with hub.failing("/README.md", 403):
        message = refusal(ConnectionError, client, push, tmp_path, "org/unreadable-card")
    assert message.startswith("org/unreadable-card: could not be pushed: ")
    assert hub.repos["models", "org/unreadable-card"].files == {"README.md": EDITED_CARD}


def test_push_of_a_model_without_record_takes_the_old_record_away(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    saved_model(tmp_path / "trained", seed=1)
    saved_model(tmp_path / "converted", seed=2, record={})
    client(push, tmp_path / "trained", "org/record")
    client(push, tmp_path / "converted", "org/record")
    assert client(load, "org/record")["training_record"] == {}


def test_push_with_folder_takes_samples_along_and_leaves_checkpoints_out(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    saved_model(tmp_path)
    for file in ("samples/000.png", "checkpoint-10/model.safetensors", "checkpoint-10/optimizer.bin", ".notes"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(file.encode())
    client(push, tmp_path, "org/samples", folder=tmp_path)
    files = hub.repos["models", "org/samples"].files
    assert set(files) == MODEL_FILES | {".gitattributes", "samples/000.png"}
    assert files["samples/000.png"] == b"samples/000.png"


def test_push_refused_by_the_hub(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path, seed=99)  # weights that the Hub has not seen, or it would not ask for them
    message = refusal(ConnectionError, client, push, tmp_path, "org/refused", token="hf_wrong")
    assert message.startswith("org/refused: could not be pushed: ")
    for part_of_path in ("/preupload/", "/lfs/objects/batch", "/lfs-storage/", "/commit/"):
        with hub.failing(part_of_path, 403):
            message = refusal(ConnectionError, client, push, tmp_path, "org/refused")
        assert message.startswith("org/refused: could not be pushed: ")
    assert [commit.title for commit in hub.repos["models", "org/refused"].commits] == ["initial commit"]


def test_push_without_an_organisation_goes_to_the_owner_of_the_token(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    model = saved_model(tmp_path)
    client(push, tmp_path, "streets")
    assert client(load, f"{USER}/streets") == facts(model)


def test_private_model_needs_a_token(client: Client, tmp_path: Path) -> None:
    model = saved_model(tmp_path)
    client(push, tmp_path, "org/private", private=True)
    assert "org/private" in refusal(FileNotFoundError, client, load, "org/private", token=False)
    assert client(load, "org/private") == facts(model)


def test_older_revision_loads_by_its_commit(hub: HubServer, client: Client, tmp_path: Path) -> None:
    first, second = saved_model(tmp_path / "first", seed=1), saved_model(tmp_path / "second", seed=2)
    client(push, tmp_path / "first", "org/history")
    commit = hub.repos["models", "org/history"].commits[-1].id
    client(push, tmp_path / "second", "org/history")
    assert client(load, "org/history", revision=commit) == facts(first)
    assert client(load, "org/history") == facts(second)
    message = refusal(FileNotFoundError, client, load, "org/history", revision="no-such-tag")
    assert message == "org/history: the repo has no revision 'no-such-tag'."


def test_model_loads_from_the_cache_in_offline_mode(hub: HubServer, client: Client, home: Path, tmp_path: Path) -> None:
    trained, converted = saved_model(tmp_path / "trained"), saved_model(tmp_path / "converted", record={})
    hub.commit("models", "org/trained", contents(tmp_path / "trained"))
    hub.commit("models", "org/converted", contents(tmp_path / "converted"))
    client(load, "org/trained")
    client(snapshot_download, "org/converted")
    with child_process({**hub.environment(home), "HF_HUB_OFFLINE": "1"}) as offline:
        assert offline(load, "org/trained") == facts(trained)
        assert offline(load, "org/converted") == facts(converted)
        message = refusal(ConnectionError, offline, load, "org/never-seen")
        assert message.startswith("org/never-seen: config.json is not in the cache")


def test_unreachable_hub(hub: HubServer, client: Client, home: Path, tmp_path: Path) -> None:
    model = saved_model(tmp_path)
    client(push, tmp_path, "org/far-away")
    client(load, "org/far-away")
    with child_process({**hub.environment(home), "HF_ENDPOINT": "http://127.0.0.1:1"}) as lonely:
        assert lonely(load, "org/far-away") == facts(model)
        message = refusal(ConnectionError, lonely, push, tmp_path, "org/far-away")
        assert message.startswith("org/far-away: could not be pushed: ")


def test_cached_model_without_record_loads_while_the_hub_refuses(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    model = saved_model(tmp_path, record={})
    hub.commit("models", "org/refusing", contents(tmp_path))
    client(load, "org/refusing")
    with hub.failing("", 403):
        assert client(load, "org/refusing") == facts(model)


# -- what the Hub may answer instead of a model ------------------------------------------------------


def test_pickle_is_refused_and_never_downloaded(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    config = (tmp_path / "config.json").read_bytes()
    hub.commit("models", "org/pickle", {"config.json": config, "pytorch_model.bin": b"not opened"})
    message = refusal(FileNotFoundError, client, load, "org/pickle")
    assert message == (
        "org/pickle: the repo on the Hub holds no model.safetensors (weights are read from safetensors only)."
    )
    assert "GET /org/pickle/resolve/main/config.json" in hub.requests
    assert not any("pytorch_model.bin" in request for request in hub.requests)


def test_repo_without_config_gives_no_default_network(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    hub.commit("models", "org/bare", {"model.safetensors": (tmp_path / "model.safetensors").read_bytes()})
    message = refusal(FileNotFoundError, client, load, "org/bare")
    assert message == "org/bare: the repo on the Hub holds no config.json."


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "training.json"])
def test_server_error_is_not_swallowed(hub: HubServer, client: Client, tmp_path: Path, file: str) -> None:
    saved_model(tmp_path)
    repo_id = f"org/broken-{file.split('.')[0]}"
    hub.commit("models", repo_id, contents(tmp_path))
    with hub.failing(file, 500, method="GET"):  # while it arrives
        message = refusal(ConnectionError, client, load, repo_id)
    assert message.startswith(f"{repo_id}: {file} could not be fetched from the Hub: ")
    assert "500" in message


def test_server_error_from_the_start_is_not_swallowed(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    hub.commit("models", "org/broken", contents(tmp_path))
    with hub.failing("/config.json", 500):
        message = refusal(ConnectionError, client, load, "org/broken")
    assert message.startswith("org/broken: config.json ")
    assert "500" in message


@pytest.mark.parametrize("options", [{}, {"token": False}, {"force_download": True}], ids=["404", "401", "forced"])
def test_unknown_repo(client: Client, options: dict[str, Any]) -> None:
    message = refusal(FileNotFoundError, client, load, "org/nothing", **options)
    assert message.startswith("org/nothing: no such folder, and no such repo on the Hub")


def test_wrong_token(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    hub.commit("models", "org/open", contents(tmp_path))
    message = refusal(ConnectionError, client, load, "org/open", token="hf_wrong")
    assert message.startswith("org/open: ")
    assert "Invalid credentials" in message


def test_gated_repo(hub: HubServer, client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    hub.commit("models", "org/gated", contents(tmp_path))
    with hub.failing("/config.json", 403, error_code="GatedRepo"):
        message = refusal(ConnectionError, client, load, "org/gated")
    assert message == "org/gated: access has to be asked for on the model's page on the Hub first."


# -- local folders -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["./no/such/folder", "../nowhere", "/no/such/folder", "no such folder"])
def test_wrong_local_path(name: str) -> None:
    message = refusal(FileNotFoundError, CRN.from_pretrained, name)
    assert message == f"{name}: no such folder, and not a Hub id of the form organisation/name."


def test_empty_name_is_not_the_model_in_the_box() -> None:
    refusal(FileNotFoundError, CRN.from_pretrained, "")


def test_folder_without_a_model(tmp_path: Path) -> None:
    message = refusal(FileNotFoundError, CRN.from_pretrained, tmp_path)
    assert message == f"{tmp_path}: the folder holds no config.json, so it is no saved CRN."


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda tensors: tensors.pop("stages.1.conv2.weight"), "missing stages.1.conv2.weight"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "unexpected extra"),
        (
            lambda tensors: tensors.update({"to_images.bias": torch.zeros(5)}),
            "wrong shape to_images.bias [5] instead of [6]",
        ),
    ],
    ids=["missing", "unexpected", "wrong shape"],
)
def test_tensors_that_do_not_fit_are_named(
    tmp_path: Path, damage: Callable[[dict[str, torch.Tensor]], None], complaint: str
) -> None:
    saved_model(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    damage(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message == f"{tmp_path}: the tensors of model.safetensors don't fit config.json: {complaint}."


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "training.json"])
def test_unreadable_file_is_named(tmp_path: Path, file: str) -> None:
    saved_model(tmp_path)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    assert refusal(ValueError, CRN.from_pretrained, tmp_path).startswith(f"{tmp_path}: {file} ")


def test_config_of_another_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 768}')
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message.startswith(f"{tmp_path}: config.json makes no CRN: unknown fields hidden_size")


@pytest.mark.parametrize("name", [["road"], 7, ""])
def test_config_with_a_class_name_that_is_no_text(tmp_path: Path, name: Any) -> None:
    config = {"classes": [{"name": name, "color": [1, 2, 3]}], "widths": [4], "base_size": [4, 8], "num_images": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message.startswith(f"{tmp_path}: config.json makes no CRN: ")


def test_loading_a_folder_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = saved_model(tmp_path)
    assert facts(CRN.from_pretrained(tmp_path)) == facts(model)
    assert capfd.readouterr() == ("", "")


def test_saving_keeps_a_card_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    saved_model(tmp_path, seed=1)
    (tmp_path / "README.md").write_bytes(EDITED_CARD)
    model = saved_model(tmp_path, seed=2)
    assert set(contents(tmp_path)) == MODEL_FILES
    assert (tmp_path / "README.md").read_bytes() == EDITED_CARD
    assert facts(CRN.from_pretrained(tmp_path)) == facts(model)


def test_saving_a_model_without_record_takes_the_old_record_away(tmp_path: Path) -> None:
    saved_model(tmp_path)
    saved_model(tmp_path, record={})
    assert CRN.from_pretrained(tmp_path).training_record == {}


def test_card_of_a_saved_model_names_every_class(tmp_path: Path) -> None:
    saved_model(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert re.match(r"---\n(.+\n)+---\n", card)
    for name in ClassSet.camvid().names:
        assert f"| {name} |" in card


def test_settings_come_back_as_they_were(tmp_path: Path) -> None:
    classes = ClassSet(["road", "sky"], [(1, 2, 3), (4, 5, 6)], {"road": ["lane", "street"]})
    CRN(classes, widths=[4, 8], base_size=[2, 3], num_images=3).save_pretrained(tmp_path)
    model = CRN.from_pretrained(tmp_path)
    assert (model.widths, model.base_size, model.num_images) == ((4, 8), (2, 3), 3)
    assert model.classes == classes
    assert model.classes.aliases == {"road": ("lane", "street")}


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
    assert message.startswith(f"{repo_id}: the Hub has no model.safetensors there")
    hub.commit("models", repo_id, {"model.safetensors": save(stored)})
    with hub.failing("/model.safetensors", 403):
        message = refusal(ConnectionError, client, feature_facts, name)
    assert message.startswith(f"{repo_id}: ")
    found, mean, tensors = client(feature_facts, name)
    assert found == architecture
    assert mean == pytest.approx([123.675, 116.28, 103.53])
    assert len(tensors) == 2 * convolutions
    for key, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, stored[key.replace("convolutions", "features")])


def test_unknown_feature_network(client: Client) -> None:
    message = refusal(FileNotFoundError, client, feature_facts, "resnet50")
    assert message.startswith("resnet50: neither a feature network (vgg16, vgg19, ")


# -- data sets ---------------------------------------------------------------------------------------


def test_dataset_from_the_hub(hub: HubServer, client: Client) -> None:
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
        "org/streets",
        {
            "README.md": b"---\nlicense: mit\n---\n# Streets\n",
            "classes.json": json.dumps(ClassSet.camvid().to_list()).encode(),
            "data/train-00000-of-00001.parquet": parquet.getvalue(),
        },
    )
    pairs, held_out, classes = client(dataset_facts, "org/streets")
    np.testing.assert_array_equal([photograph for photograph, _ in pairs], photographs)
    np.testing.assert_array_equal([label for _, label in pairs], labels)
    assert held_out == 1
    assert classes == ClassSet.camvid()


def test_dataset_that_the_hub_does_not_have(client: Client) -> None:
    message = refusal(FileNotFoundError, client, dataset_facts, "org/no-streets")
    assert message.startswith("org/no-streets: no such folder, and no data set on the Hub that this token may read")


def test_refused_classes_are_no_missing_classes(hub: HubServer, client: Client) -> None:
    hub.commit("datasets", "org/closed", {"README.md": b"# Closed"})
    assert "--classes NAME|FILE" in refusal(LayoutError, client, find_classes, "org/closed")
    with hub.failing("classes.json", 403):
        message = refusal(ConnectionError, client, find_classes, "org/closed")
    assert message.startswith("org/closed: classes.json could not be fetched from the Hub")
