"""The model card is made from data, shows what it should wherever it is read, and is what the Hub accepts."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import torch
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from markdown_it.token import Token
from PIL import Image
from support.hub_server import HubServer
from torch.utils.flop_counter import FlopCounterMode

from crn_hub import CRN, ClassSet
from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.hub.card import is_unedited
from crn_hub.hub.front_matter import HUB_LICENSES
from crn_hub.hub.training_summary import summarise_training

STAGE_1 = {
    "dataset": "streets",
    "settings": {"resolution": 64, "classes": None, "learning_rate": 0.0003, "lr_scheduler": "cosine"},
    "result": {"steps": 1000, "hours": 1.5, "hardware": "1 x a|b"},
    "license": "cc-by-4.0",
    "citations": ["Streets, *2009*.", "Roads, 2010."],
}
STAGE_2 = {
    "dataset": "Streets of *York*",
    "hub_dataset": "org/streets",
    "license": "cc-by-nc-4.0",
    "settings": {"resolution": 128, "perceptual_net": "a|b", "output_dir": "crn-128", "random_flip": True},
    "result": {"steps": 20, "hours": 0.25, "hardware": "1 x a|b", "validation_loss": 0.123456789},
    "loss_weights": {"input": 0.001234567, "conv1_2": 2.0},
    "notes": "Small data.",
    "citations": ["Roads, 2010.", "Lanes, 2011."],
    "started_from": STAGE_1,
}
HOSTILE = {  # -> what a reader should see
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "pipe | and `ticks` and ``": "pipe | and `ticks` and ``",
    "![x](https://example.org/x.png) [y](javascript:z)": "![x](https://example.org/x.png) [y](javascript:z)",
    "&lt;b&gt; \\| **bold** __bold__ ~~gone~~ $x$": "&lt;b&gt; \\| **bold** __bold__ ~~gone~~ $x$",
    "\ud800 <img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    "\u202e-->": "-->",
}
CONTROL = {"two\nlines\r\n# heading": "two lines # heading", "a\x1b[31m\x00": "a[31m"}  # no class set takes these
MALFORMED: list[dict[str, Any]] = [
    {"settings": 5, "started_from": "x", "loss_weights": [1], "result": None},
    {"dataset": ["a"], "hub_dataset": {"a": 1}, "license": 7.5, "notes": {"a": "b"}, "result": [1]},
    {"dataset": "d", "result": {"hours": "long", "validation_loss": float("nan"), "steps": [1], "hardware": {}}},
    {"dataset": "d", "result": {"hours": 10**400, "validation_loss": float("inf"), "steps": 10**400}},
    {"hub_dataset": "../../etc", "license": "", "loss_weights": {"input": "heavy", "conv": None}},
    {"started_from": {"settings": [], "result": {"hours": True}, "started_from": {"converted_from": 3}}},
    {"converted_from": ["x"], "settings": {"resolution": {"a": 1}, "learning_rate": [1]}},
    {"citations": "Long", "started_from": {"citations": {"a": "long"}, "license": ["None"]}},
    {"citations": [7, None, ["None"], "", {}]},
    {"evaluation": {"dataset": 5, "measures": "all", "notes": {"a": 1}}},
    {"evaluation": {"dataset": "d", "measures": [7, {"name": "x", "value": "high"}, {"value": 1}], "notes": [1]}},
    {"evaluation": {"dataset": "d", "split": [], "measures": [{"name": "x", "value": float("nan"), "low": 0}]}},
    {"evaluations": {"dataset": "d", "measures": [{"name": "x", "value": 1}]}, "evaluation": [1]},
    {"evaluations": [7, None, {"dataset": "d"}, {"part": [1], "split": 3, "measures": [{"name": "x", "value": "1"}]}]},
]
EVALUATION = {
    "dataset": "Streets of *York*",
    "hub_dataset": "org/streets",
    "split": "validation",
    "measures": [
        {
            "name": "mIoU ↑",
            "type": "mean_iou",
            "value": 0.41239,
            "low": 0.4,
            "high": 0.42,
            "of_photographs": 0.5,
            "conditions": {"images": 68, "size": "512 x 256", "network": "a|b"},
        },
        {"name": "a|b", "value": 1234.5, "low": None, "high": None, "conditions": [1]},
    ],
    "notes": ["68 rows of *York*."],
}


def saved(folder: Path, record: dict[str, Any], classes: ClassSet | None = None, **options: Any) -> Path:
    """The card of a small model."""
    model = CRN(classes or ClassSet.camvid(), (4, 4, 4), num_images=options.pop("num_images", 1))
    model.training_record = record
    model.save_pretrained(folder, **options)
    return folder / "README.md"


def parse(card: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(ModelCard.load(card).text)


def shown(token: Token) -> str:
    """What a reader sees of an inline token; of a picture its address."""
    return "".join(
        str(child.attrs["src"]) if child.type == "image" else child.content for child in token.children or []
    )


def tables(card: Path) -> list[list[list[str]]]:
    """Every table of a card, as rows of cells as they are shown; the head is the first row."""
    found: list[list[list[str]]] = []
    inside = False
    for token in parse(card):
        inside = (inside or token.type == "table_open") and token.type != "table_close"
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and inside:
            found[-1][-1].append(shown(token))
    return found


def pictures(card: Path) -> list[str]:
    return [
        unquote(str(child.attrs["src"]))
        for token in parse(card)
        for child in token.children or []
        if child.type == "image"
    ]


# -- arithmetic --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"widths": (8, 6, 4), "num_images": 2},
        {"widths": (5,), "base_size": (3, 5)},
        {"widths": (7, 9, 11, 4), "base_size": (3, 5), "num_images": 3},
    ],
)
def test_gflop_is_what_pytorch_counts(settings: dict[str, Any]) -> None:
    model = CRN(ClassSet.camvid(), **settings)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *model.size, dtype=torch.long))
    assert round(model.gflop * 1e9) == counter.get_total_flops()


def test_the_papers_network_takes_2147_gflop_with_one_image_and_2150_with_nine() -> None:
    with torch.device("meta"):
        one, nine = (CRN(ClassSet.cityscapes(), (1024,) * 5 + (512, 512), num_images=k) for k in (1, 9))
    assert round(one.gflop) == 2147
    assert round(nine.gflop) == 2150


# -- front matter ------------------------------------------------------------------------------------


def test_front_matter_is_what_the_hub_wants(tmp_path: Path) -> None:
    data = ModelCard.load(saved(tmp_path, STAGE_2, repo_id="org/crn-streets")).data
    assert data.library_name == "crn_hub"
    assert data.pipeline_tag == "image-to-image"
    assert "arxiv:1707.09405" in data.tags
    assert data.license == "cc-by-nc-4.0"
    assert data.datasets == ["org/streets"]
    assert data.model_name == "org/crn-streets"
    (result,) = data.eval_results
    assert (result.task_type, result.dataset_type, result.dataset_name) == (
        "image-to-image",
        "org/streets",
        "Streets of *York*",
    )
    assert (result.metric_type, result.metric_value) == ("loss", 0.1235)
    assert "held-out" in result.metric_name


def test_without_metrics_there_is_no_model_index(tmp_path: Path) -> None:
    card = saved(tmp_path, STAGE_1)
    assert "model-index" not in card.read_text()
    assert ModelCard.load(card).data.eval_results is None


def test_what_was_measured_is_in_the_model_index_and_the_card(tmp_path: Path) -> None:
    card = saved(tmp_path, {**STAGE_2, "evaluation": EVALUATION})
    loss, miou, other = ModelCard.load(card).data.eval_results or ()
    assert loss.metric_type == "loss"
    assert (miou.metric_type, miou.metric_name, miou.metric_value) == ("mean_iou", "mIoU ↑", 0.4124)
    assert (miou.dataset_type, miou.dataset_name, miou.dataset_split) == (
        "org/streets",
        "Streets of *York*",
        "validation",
    )
    assert miou.metric_args == {"images": 68, "size": "512 x 256", "network": "a|b"}
    assert (other.metric_type, other.metric_args) == ("a-b", None)
    assert tables(card)[-1] == [
        ["measure", "value", "95 % interval", "of photographs"],
        ["mIoU ↑", "0.412", "0.400 to 0.420", "0.500"],
        ["a|b", "1,234", "", ""],
    ]
    assert "- 68 rows of \\*York\\*." in card.read_text()
    assert "## Evaluation" not in saved(tmp_path, STAGE_2).read_text()


def test_each_of_several_evaluations_has_its_own_heading(tmp_path: Path) -> None:
    """On the Hub, too, two parts of a data set are two sets of results."""
    of_part = {
        **{"dataset": "streets, source *a*", "hub_dataset": "org/streets", "part": "source *a*", "split": "validation"},
        **{"measures": [{"name": "mIoU ↑", "type": "mean_iou", "value": 0.25}], "notes": ["Of the part."]},
    }
    empty = {"dataset": "nothing", "measures": []}
    other = {**of_part, "dataset": "", "part": 5, "split": None, "hub_dataset": None, "notes": []}
    card = saved(tmp_path, {"evaluation": EVALUATION, "evaluations": [of_part, 3, empty, other]})
    text = card.read_text().split("## Evaluation\n")[1]
    headings = [line for line in text.splitlines() if line.startswith("### ")]
    assert headings == [
        "### Streets of \\*York\\* (validation)",
        "### streets, source \\*a\\* (validation)",
        "### data that are not recorded",
    ]
    first, second, third = (section.split("\n## ")[0] for section in text.split("### ")[1:])
    assert "on Streets of \\*York\\*:" in first
    assert "| 0.412 |" in first
    assert "- 68 rows of" in first
    assert "on streets, source \\*a\\*:" in second
    assert "| 0.250 |" in second
    assert "- Of the part." in second
    assert "on data that are not recorded:" in third
    for element in ModelCard.load(card).data.to_dict()["model-index"][0]["results"]:
        assert (element["dataset"]["name"], element["dataset"].get("config"), len(element["metrics"])) in [
            ("Streets of *York*", None, 2),
            ("streets, source *a*", "source *a*", 1),
        ]
    alone = saved(tmp_path / "alone", {"evaluations": [of_part, empty]}).read_text()
    assert "## Evaluation\n\nMeasured by `crn evaluate` on streets, source" in alone


@pytest.mark.parametrize(
    ("license", "identifier", "name"),
    [
        ("cc-by-nc-4.0", "cc-by-nc-4.0", None),
        ("CC-BY-4.0", "cc-by-4.0", None),
        ("Cityscapes: research only!", "other", "cityscapes-research-only"),
        ("non-commercial-research", "other", "non-commercial-research"),
        ("非商用", "other", "unnamed"),
        (None, None, None),
    ],
)
def test_a_licence_that_the_hub_does_not_know_is_other_with_a_name(
    tmp_path: Path, license: str | None, identifier: str | None, name: str | None
) -> None:
    card = saved(tmp_path, {"dataset": "streets", "license": license})
    data = ModelCard.load(card).data
    assert (data.license, data.license_name) == (identifier, name)
    body = card.read_text().split("## Licence")[1]
    assert "MIT" in body
    if license is None:
        assert "No licence is recorded" in body
    elif identifier == "other":
        assert license in body
    else:
        assert "(https://creativecommons.org/licenses/by" in body


def test_data_are_cited_and_the_terms_of_earlier_stages_named(tmp_path: Path) -> None:
    licence, citations = saved(tmp_path, STAGE_2).read_text().split("## Licence")[1].split("## Citations")
    assert "[CC BY-NC 4.0](https://creativecommons.org/licenses/by-nc/4.0/)" in licence
    assert "earlier stages: [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)." in licence
    assert "- Streets, \\*2009\\*.\n- Roads, 2010.\n- Lanes, 2011.\n\n## Limits" in citations
    text = saved(tmp_path, {"license": "mit", "started_from": {"license": "mit"}}).read_text()
    assert "earlier stages" not in text
    assert "## Citations" not in text


CHECK = """
import sys
from huggingface_hub import ModelCard
for file in sys.argv[1:]:
    try:
        ModelCard.load(file).validate(repo_type="model")
    except ValueError as error:
        print("refused", error)
    else:
        print("accepted")
"""


def test_cards_pass_the_hubs_own_validation(tmp_path: Path) -> None:
    box = json.loads((MODEL_IN_THE_BOX / "training.json").read_text())
    records: dict[str, dict[str, Any]] = {
        "box": box,
        "converted": {"converted_from": "model.ckpt (TensorFlow checkpoint)"},
        "nothing": {},
        "unknown-licence": {"dataset": "streets", "license": "Ask us"},
        "metrics": STAGE_2,
        "evaluation": {"evaluation": EVALUATION},
        "hostile": {"dataset": "\ud800 <img>: {'a'", "license": "#|: -", "result": {"validation_loss": 1}},
        **{f"malformed-{n}": record for n, record in enumerate(MALFORMED)},
    }
    cards = [saved(tmp_path / name, record) for name, record in records.items()]
    wrong = tmp_path / "wrong.md"
    wrong.write_text("---\nlicense: nonsense\n---\n# Wrong\n")
    with HubServer() as hub:
        done = subprocess.run(
            [sys.executable, "-c", CHECK, *map(str, cards), str(wrong)],
            env={**os.environ, **hub.environment(tmp_path / "home")},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    *answers, last = done.stdout.splitlines()
    assert answers == ["accepted"] * len(cards)
    assert last.startswith("refused")


# -- body --------------------------------------------------------------------------------------------


def test_the_palette_has_a_row_and_a_swatch_for_every_class_and_for_unlabelled(tmp_path: Path) -> None:
    classes = ClassSet.cityscapes()
    card = saved(tmp_path, {}, classes)
    head, *rows = tables(card)[0]
    assert head == ["id", "colour", "name", "also known as"]
    assert len(rows) == len(classes) + 1
    assert rows[0] == ["0", "swatches/804080.png #804080", "road", ""]
    assert rows[7] == ["7", "swatches/dcdc00.png #dcdc00", "traffic sign", "sign symbol"]
    assert rows[-1] == ["255", "swatches/000000.png #000000", "unlabelled", ""]
    for color in (*classes.colors, classes.unlabelled_color):
        with Image.open(tmp_path / f"swatches/{bytes(color).hex()}.png") as swatch:
            assert swatch.convert("RGB").getpixel((swatch.width // 2, swatch.height // 2)) == color
    assert all(file.stat().st_size < 200 for file in (tmp_path / "swatches").iterdir())


def test_every_picture_is_there(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for name in ("held-out", "a (b) [c]", "größer"):
        Image.new("RGB", (4, 4)).save(tmp_path / f"samples/{name}.png")
    card = saved(tmp_path, STAGE_2, num_images=2)
    assert len(pictures(card)) == 3 + len(ClassSet.camvid()) + 1
    assert all((tmp_path / picture).is_file() for picture in pictures(card))
    assert "layout, 2 photographs of the network, recorded photograph" in card.read_text()


def test_without_samples_the_section_is_left_out(tmp_path: Path) -> None:
    assert "## Samples" not in saved(tmp_path, STAGE_2).read_text()


def test_stages_of_growing_are_columns_and_what_they_share_is_said_once(tmp_path: Path) -> None:
    card = saved(tmp_path, STAGE_2)
    text = card.read_text()
    _, _, stages, common, weights = tables(card)
    assert stages == [
        ["", "stage 1", "stage 2"],
        ["data", "streets", "Streets of *York*"],
        ["image height", "64", "128"],
        ["steps", "1,000", "20"],
        ["learning rate", "0.0003, cosine", ""],
        ["random mirroring", "", "yes"],
        ["feature network", "", "a|b"],
        ["time", "1.5 h", "15 min"],
        ["validation loss", "", "0.1235"],
    ]
    assert common == [["in every stage", "value"], ["hardware", "1 x a|b"]]
    assert weights == [["layer", "weight"], ["input", "0.001235"], ["conv1_2", "2"]]
    assert "Time in all: 1.75 h." in text
    assert "Small data." in text
    assert "crn-128" not in text  # where somebody kept the files


def test_facts_of_the_network(tmp_path: Path) -> None:
    model = CRN(ClassSet.camvid(), (4, 4, 4), num_images=3)
    network = tables(saved(tmp_path, {}, num_images=3))[1]
    assert ["images", "32 x 16 pixels (width x height)"] in network
    assert ["images per layout (k)", "3"] in network
    assert ["parameters", f"{model.num_parameters:,}"] in network
    assert ["arithmetic", f"{model.gflop:.4g} GFLOP per layout (2 per multiply-add)"] in network
    assert network[-1][1] == "4 at 8 x 4, 4 at 16 x 8, 4 at 32 x 16"


def test_the_lines_of_python_run(tmp_path: Path) -> None:
    text = saved(tmp_path / "model", {}, num_images=2).read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    placeholders = {"path/to/this/folder": tmp_path / "model", "layout.png": tmp_path / "layout.png"}
    for placeholder, path in placeholders.items():
        assert f'"{placeholder}"' in code
        code = code.replace(placeholder, str(path))
    Image.new("L", (32, 16), 3).save(tmp_path / "layout.png")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with Image.open(tmp_path / "photograph.png") as photograph:
        assert photograph.size == (32, 16)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({}, "How these weights came about is not recorded."),
        (
            {"converted_from": "model.ckpt (TensorFlow checkpoint)"},
            "Converted from model.ckpt (TensorFlow checkpoint).",
        ),
        (
            {"dataset": "d", "result": {"steps": 5}, "started_from": {"converted_from": "model.ckpt"}},
            "Data: d. Training started from weights converted from model.ckpt.",
        ),
        ({"dataset": "d", "settings": {"init_from": "old"}}, "started from weights of which nothing is recorded."),
    ],
)
def test_origin_is_stated(tmp_path: Path, record: dict[str, Any], sentence: str) -> None:
    assert sentence in saved(tmp_path, record).read_text()


def test_texts_from_outside_are_shown_as_they_are_and_are_never_markup(tmp_path: Path) -> None:
    colors = [(i, i, i + 1) for i in range(len(HOSTILE))]
    texts = {**HOSTILE, **CONTROL}
    script, pipe, link, *_, heading, escape = texts
    record = {
        "dataset": script,
        "license": pipe,
        "citations": [script, link],
        "notes": " ".join(texts),
        "settings": {"perceptual_net": link},
        "result": {"hardware": heading, "validation_loss": 1},
        "loss_weights": {heading: 1.0},
        "started_from": {"converted_from": escape, "license": link},
        "evaluation": {"dataset": pipe, "measures": [{"name": link, "value": 1}], "notes": [*texts]},
        "evaluations": [
            {"dataset": text, "part": text, "split": link, "measures": [{"name": link, "value": 1}]} for text in texts
        ],
    }
    card = saved(tmp_path, record, ClassSet(list(HOSTILE), colors, {script: ["| <b> |"]}))
    palette, _, training, weights, measures, *of_others = tables(card)
    assert len(of_others) == len(texts)
    inline = [shown(token) for token in parse(card) if token.type == "inline"]
    assert {f"{text} ({texts[link]})" for text in texts.values()} <= {*inline}
    assert measures[1][0] == texts[link]
    assert [row[2] for row in palette[1:]] == [*HOSTILE.values(), "unlabelled"]
    assert palette[1][3] == "| <b> |"
    assert ["feature network", texts[link]] in training
    assert ["hardware", texts[heading]] in training
    assert weights[1] == [texts[heading], "1"]
    assert shown([token for token in parse(card) if token.type == "inline"][-1]) == " ".join(texts.values())
    html = [t for token in parse(card) for t in (token, *(token.children or [])) if t.type.startswith("html")]
    assert [t.content.split()[0] for t in html] == ["<!--"]  # the mark at the end
    links = [t.attrs["href"] for token in parse(card) for t in token.children or [] if t.type == "link_open"]
    assert links == ["https://arxiv.org/abs/1707.09405", "training.json"]
    assert all((tmp_path / picture).is_file() for picture in pictures(card))
    assert ModelCard.load(card).data.license == "other"


@pytest.mark.parametrize(
    "notes", ["---", "- x", "+ x", "1. x", "12) x", "# x", "> x", "=", "===", "***", "- - -", "1.", "~~~", "-5 and 1.5"]
)
def test_notes_begin_no_list_rule_heading_or_quotation(tmp_path: Path, notes: str) -> None:
    tokens = parse(saved(tmp_path, {"dataset": "streets", "notes": notes}))
    assert [token.type for token in tokens[-4:]] == ["paragraph_open", "inline", "paragraph_close", "html_block"]
    assert tokens[-4].level == 0
    assert shown(tokens[-3]) == notes


@pytest.mark.parametrize("record", MALFORMED)
def test_parts_of_a_record_with_wrong_types_are_left_out(tmp_path: Path, record: dict[str, Any]) -> None:
    card = saved(tmp_path, record)
    assert len(tables(card)[0]) == len(ClassSet.camvid()) + 2
    assert not any(value in card.read_text() for value in ("nan", "inf", "None", "{", "long", "heavy"))


def test_every_licence_of_the_hub_is_written_as_the_hub_writes_it() -> None:
    assert all(identifier == identifier.lower().strip() for identifier in HUB_LICENSES)
    assert {"mit", "cc-by-4.0", "cc-by-nc-4.0", "other", "unknown"} <= HUB_LICENSES


def test_hours_of_all_stages_are_added_up() -> None:
    assert summarise_training(STAGE_2).hours == 1.75


# -- saving and pushing ------------------------------------------------------------------------------


def test_an_edited_card_is_distinguished_from_a_generated_one(tmp_path: Path) -> None:
    card = saved(tmp_path, STAGE_2)
    assert is_unedited(card)
    card.write_text(card.read_text().replace("Small data.", "Small data, sorry."))
    assert not is_unedited(card)
    card.write_text("# Mine")
    assert not is_unedited(card)


def test_a_card_of_an_older_version_is_renewed(tmp_path: Path) -> None:
    text = "---\nlibrary_name: crn_hub\n---\n\n# Cascaded refinement network, 32 x 16\n"
    mark = hashlib.sha256(text.encode()).hexdigest()[:16]
    (tmp_path / "README.md").write_text(f"{text}\n<!-- made by crn_hub {mark} -->\n")
    assert "## Licence" in saved(tmp_path, {}).read_text()


def test_swatches_of_earlier_classes_go_and_other_files_stay(tmp_path: Path) -> None:
    saved(tmp_path, {}, ClassSet.cityscapes())
    (tmp_path / "swatches/legend.png").write_bytes(b"somebody's")
    saved(tmp_path, {}, ClassSet.camvid())
    names = {file.stem for file in (tmp_path / "swatches").iterdir()}
    assert names == {bytes(color).hex() for color in ClassSet.camvid().colors} | {"000000", "legend"}


def test_an_edited_card_keeps_its_swatches(tmp_path: Path) -> None:
    card = saved(tmp_path, {}, ClassSet.cityscapes())
    card.write_text(card.read_text() + "Ours.\n")
    saved(tmp_path, {}, ClassSet.camvid())
    assert "traffic light" in card.read_text()
    assert all((tmp_path / picture).is_file() for picture in pictures(card))


PUSH = """
import sys
from crn_hub import CRN
for folder in sys.argv[1:]:
    CRN.from_pretrained(folder).push_to_hub("org/streets", folder=folder)
"""


def test_terms_of_its_own_come_first_from_whatever_stage(tmp_path: Path) -> None:
    start = {"license": "non-commercial-research"}
    model = CRN(ClassSet.camvid(), (4, 4))
    model.training_record = {"license": "cc-by-nc-4.0", "started_from": start}  # type: ignore[typeddict-item]
    model.save_pretrained(tmp_path)
    data = ModelCard.load(tmp_path / "README.md").data
    assert (data.license, data.license_name) == ("other", "non-commercial-research")


def test_a_pushed_card_uses_the_models_name_and_takes_its_swatches_along(tmp_path: Path) -> None:
    saved(tmp_path / "first", {}, ClassSet.cityscapes())
    card = saved(tmp_path / "second", {}, ClassSet.camvid())
    assert 'from_pretrained("path/to/this/folder")' in card.read_text()
    with HubServer() as hub:
        done = subprocess.run(
            [sys.executable, "-c", PUSH, tmp_path / "first", tmp_path / "second"],
            env={**os.environ, **hub.environment(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parent.parent)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        files = hub.repos["models", "org/streets"].files
    assert b'from_pretrained("org/streets")' in files["README.md"]
    assert b"path/to" not in files["README.md"]
    expected = {f"swatches/{bytes(color).hex()}.png" for color in (*ClassSet.camvid().colors, (0, 0, 0))}
    assert {name for name in files if name.startswith("swatches/")} == expected


def test_loss_weights_say_where_they_are_from_and_curves_what_they_show(tmp_path: Path) -> None:
    record = {"settings": {"loss_weights": "calibrate", "resolution": 16}, "loss_weights": {"input": 0.5}}
    assert "Measured so that each term contributes equally" in saved(tmp_path / "measured", record).read_text()
    (tmp_path / "taken" / "samples").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "taken" / "samples" / "loss-curves.png")
    card = saved(tmp_path / "taken", record | {"settings": {"loss_weights": "gta5-256p", "resolution": 16}}).read_text()
    assert "Those of the published checkpoint gta5-256p:" in card
    assert "Measured" not in card
    assert "![The training loss and that of held-out rows" in card
