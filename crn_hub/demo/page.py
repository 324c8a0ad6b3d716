"""The page: the painter, starting layouts, streets made by chance, files, and a choice of model.

`build` makes the page, `launch` serves it with its looks and limits. Everything that the browser loads comes from
this server. The one public endpoint is /synthesize: a layout file in, photographs out.
"""

import base64
import html
import io
import logging
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr
import numpy as np
from gradio.processing_utils import save_pil_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from crn_hub.card import PAPER_URL
from crn_hub.classes import LABEL_IDS, PRESETS, UNLABELLED, ClassSet, LayoutError, LayoutReading, read_layout
from crn_hub.demo.models import Models
from crn_hub.demo.painter import STATIC, Download, LabelPainter, Result, model_facts
from crn_hub.demo.painting import MAX_LAYOUT_PIXELS, Painting, check_size
from crn_hub.hub_model import HubModel
from crn_hub.scenes import SCENE_CLASSES, street_scene
from crn_hub.synthesis import compose, resize_ids

EXAMPLES_FOLDER = Path(__file__).parent / "examples"

# Starting layouts: six of `street_scene` with the seeds 12, 0, 9, 21, 22 and 25, and three by hand, of
# scripts/draw_layouts.py. The page opens on the first.
EXAMPLES = (
    "avenue", "high street", "park road", "two cyclists", "lorry ahead", "parked cars",
    "crossroads", "bridge ahead", "crayon street",
)  # fmt: skip

# What one visitor can make the server do; `painting.MAX_LAYOUT_PIXELS` is checked before a layout is decoded.
MAX_FILE_SIZE = 4 * 2**20  # bytes of an uploaded file
MAX_BODY_SIZE = 5 * 2**20  # bytes of any request: the file and what surrounds it
MAX_WAITING = 20  # visitors in the queue
MAX_SESSIONS = 500  # visitors whose last photograph and model the server remembers

STRIP_SIZE = (288, 72)  # pixels, width and height that the small pictures of the k outputs fit into

# What a file's classes may be said to be: the label on the page, and the `layout_classes` of `read_layout`.
LAYOUT_CLASSES = [
    ("Its classes: the model's", ""),
    *((f"Its classes: {preset}", preset) for preset in PRESETS),
    ("Its classes: cityscapes, raw ids", LABEL_IDS),
]

_log = logging.getLogger(__name__)


def build(model: HubModel, folders: bool = False) -> gr.Blocks:
    """The page; it opens on `model` and an example with its photograph.

    Examples and streets made by chance have CamVid's classes; they are left out for a model that lacks one of these.
    `folders`: whether visitors may name folders of this machine as models.
    """
    models = Models(model, folders)

    def photograph_of(network: HubModel, painting: Painting) -> tuple[Image.Image, list[Image.Image], float]:
        """The picture as painted and mixed, all outputs, and the network's milliseconds."""
        started = time.perf_counter()
        outputs = network.synthesize(painting.ids)
        milliseconds = (time.perf_counter() - started) * 1000
        if painting.choice is None:
            return outputs[0], outputs, milliseconds
        return compose(outputs, painting.choice), outputs, milliseconds

    def result_of(network: HubModel, painting: Painting) -> Result:
        photograph, outputs, milliseconds = photograph_of(network, painting)
        strip = [_data_url(_small(output)) for output in outputs] if len(outputs) > 1 else []
        return {
            "mark": uuid4().hex,
            "revision": painting.revision,
            "image": _data_url(photograph),
            "strip": strip,
            "network": milliseconds,
        }

    def new_painting(network: HubModel, ids: np.ndarray, what: str, notes: Sequence[str] = ()) -> Result:
        """A layout in the place of the one on the page."""
        painting = Painting(ids)
        result = result_of(network, painting)
        result.update({"painting": painting.to_text(), "what": what, "notes": list(notes)})
        return result

    def of_new_model(name: str, network: HubModel, ids: np.ndarray, what: str) -> Result:
        result = new_painting(network, ids, what)
        result["model"] = model_facts(name, network.classes, network.size, network.num_images)
        return result

    def generate(painting: Painting | None, name: str) -> LabelPainter:
        revision = painting.revision if painting else None
        try:
            with _messages():
                return LabelPainter(result=result_of(models.get(name), _needed(painting)))
        except gr.Error as error:  # where one looks while painting: in the painter's status
            failure: Result = {"mark": uuid4().hex, "revision": revision, "error": html.unescape(error.message)}
            return LabelPainter(result=failure)

    def save(painting: Painting | None, name: str, event: gr.EventData) -> LabelPainter:
        with _messages():
            painting, network = _needed(painting), models.get(name)
            if event.kind == "photograph":
                picture = photograph_of(network, painting)[0]
            elif event.kind == "colours":
                picture = Image.fromarray(network.classes.to_colors(painting.ids))
            else:
                picture = Image.fromarray(network.classes.check_ids(painting.ids))
            file = "photograph" if event.kind == "photograph" else f"layout-{event.kind}"
            path = save_pil_to_cache(picture, get_upload_folder(), file, "png")
            page.upload_file_set.add(path)  # which `delete_cache` clears
            download: Download = {"mark": uuid4().hex, "path": path, "name": f"{file}.png"}
            return LabelPainter(download=download)

    def show(network: HubModel, ids: np.ndarray, what: str, notes: Sequence[str] = ()) -> LabelPainter:
        return LabelPainter(result=new_painting(network, ids, what, notes))

    def show_example(name: str, event: gr.SelectData) -> LabelPainter:
        with _messages():
            network = models.get(name)
            return show(network, _examples(network)[event.index], EXAMPLES[event.index])

    def surprise(name: str) -> LabelPainter:
        with _messages():
            network = models.get(name)
            seed = random.randrange(10_000)
            ids, _ = street_scene(seed)
            return show(network, resize_ids(_scenes_to(network)[ids], network.size), f"street {seed}")

    def read(network: HubModel, file: str, snap: bool, layout_classes: str = "") -> LayoutReading:
        # By the file's own name: the folder is the server's business.
        return read_layout(
            file,
            network.classes,
            layout_classes=layout_classes or None,
            snap=snap,
            max_pixels=MAX_LAYOUT_PIXELS,
            source=Path(file).name,
        )

    def upload(file: str, snap: bool, layout_classes: str, name: str) -> LabelPainter:
        with _messages():
            network = models.get(name)
            reading = read(network, file, snap, layout_classes)
            height, width = reading.ids.shape
            check_size(height, width, Path(file).name)
            return show(network, reading.ids, Path(file).name, reading.notes)

    def load_model(wanted: str) -> None:
        with _messages():
            models.load(wanted.strip())

    def reopen_model(event: gr.EventData) -> str:
        load_model(str(event.model))
        return str(event.model)

    def change_model(wanted: str, painting: Painting | None, before: str) -> list[Any]:
        """Shows a model that has been loaded; what was painted is taken along, by the names of its classes."""
        with _messages():
            wanted = wanted.strip()
            network, classes_before = models.get(wanted), models.classes_of(before)
            if painting is None:
                ids, what = _opening(network)
            else:
                ids, what = classes_before.check_ids(painting.ids), "your layout"
                if network.classes != classes_before:
                    ids = classes_before.translation_to(network.classes)[ids]
            result = of_new_model(wanted, network, ids, what)
            has_streets = _has_streets(network)
            return [
                LabelPainter(result=result),
                wanted,
                gr.HTML(_facts(network)),
                gr.Gallery(_thumbnails(network), selected_index=None),
                gr.Column(visible=has_streets),
                gr.Button(visible=has_streets),
            ]

    def synthesize(layout: str | None, snap: bool) -> Any:
        """Photographs of a layout: PNG files of the layout's own size, one for each image that the model gives.

        The layout is a file with class ids in one channel, a palette PNG, or a picture in class colours. With `snap`
        colours of no class are taken as the nearest class colour.
        """
        with _messages():
            if layout is None:
                raise LayoutError("a layout file is needed.")
            photographs = model.synthesize(read(model, layout, snap).ids)
            return photographs if len(photographs) > 1 else photographs[0]

    # The first photograph is a part of the page: nobody waits for it.
    first = of_new_model("", model, *_opening(model))
    del first["network"]  # the time of a cold start, and of no visitor

    with gr.Blocks(title="Cascaded Refinement Networks", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.HTML(_header(), elem_id="header")
        painter = LabelPainter(elem_id="painter", result=first, download=None, file_input="#controls input[type=file]")
        name = gr.State("")  # of the visitor's model
        with gr.Column(elem_id="examples", visible=_has_streets(model)) as examples_column:
            gr.HTML("<h2>Starting layouts</h2>")
            thumbnails = gr.Gallery(
                _thumbnails(model),
                format="png", interactive=False, show_label=False, buttons=[],
                fit_columns=False, allow_preview=False, columns=len(EXAMPLES),
            )  # fmt: skip
        with gr.Row(elem_id="controls"):
            surprise_button = gr.Button("Surprise me", variant="primary", min_width=0, visible=_has_streets(model))
            upload_button = gr.UploadButton("Open a layout", min_width=0)
            layout_classes = gr.Dropdown(
                LAYOUT_CLASSES, value="", label="The file's classes", container=False, min_width=0,
                elem_id="layout-classes",
            )  # fmt: skip
            snap = gr.Checkbox(
                label="Snap its colours to the nearest class", container=False, min_width=0, elem_id="snap"
            )
        with gr.Row(elem_id="model"):
            where = "a folder, or organisation/name on the Hub" if folders else "organisation/name on the Hub"
            model_field = gr.Textbox(
                label="Model", placeholder=f"Another model: {where}", max_lines=1,
                container=False, min_width=0, elem_id="model-name",
            )  # fmt: skip
            model_button = gr.Button("Load the model", min_width=0)
            facts = gr.HTML(_facts(model), elem_id="facts")
        with gr.Row(visible=False):  # what the endpoint takes and gives
            file = gr.File(label="layout")
            results = [gr.Image(format="png", label=f"photograph {n}") for n in range(1, model.num_images + 1)]
            call = gr.Button()

        network: dict[str, Any] = {"concurrency_id": "net", "concurrency_limit": 1}  # one run at a time
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        last: dict[str, Any] = {"trigger_mode": "always_last"}  # of quick changes the last one counts
        painter.generate(generate, [painter, name], painter, **last, **network, **private)
        # Of deferred events Gradio would run the last one with an older one's data, and by default it drops them.
        each: dict[str, Any] = {"trigger_mode": "multiple"}
        painter.save(save, [painter, name], painter, **each, **network, **private)
        thumbnails.select(show_example, name, painter, **each, **network, **private)
        surprise_button.click(surprise, name, painter, **last, **network, **private)
        upload_button.upload(upload, [upload_button, snap, layout_classes, name], painter, **each, **network, **private)
        changed = [painter, name, facts, thumbnails, examples_column, surprise_button]
        # Loading may take minutes, in which others go on painting.
        loading: dict[str, Any] = {
            "concurrency_id": "models", "concurrency_limit": 1, "api_visibility": "private",
            "show_progress": "minimal", "show_progress_on": model_field,
        }  # fmt: skip
        for loaded in (
            model_button.click(load_model, model_field, **loading),
            model_field.submit(load_model, model_field, **loading),
            painter.reopen(reopen_model, None, model_field, **loading),
        ):
            loaded.success(change_model, [model_field, painter, name], changed, **network, **private)
        call.click(synthesize, [file, snap], results, api_name="synthesize", **network)
    return page.queue(max_size=MAX_WAITING)


def launch(model: HubModel, **options: Any) -> tuple[gr.Blocks, str]:
    """Serves the page of `model`; `options` as for gradio's `Blocks.launch`.

    Visitors may name folders of this machine as models if they sit at it: on a loopback address, not on a Space.

    Returns:
        The page and its address. Unless `prevent_thread_lock=True` is among the options, only when it is over.
    """
    host = options.get("server_name") or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    page = build(model, folders=host in ("127.0.0.1", "localhost", "::1") and "SPACE_ID" not in os.environ)
    _, address, _ = page.launch(
        theme=_theme(),
        css_paths=[STATIC / "page.css", STATIC / "painter.css"],
        footer_links=["api"],
        max_file_size=MAX_FILE_SIZE,
        app_kwargs={"max_body_size": MAX_BODY_SIZE},
        share=False,
        run_history=False,
        state_session_capacity=MAX_SESSIONS,
        ssr_mode=False,
        **options,
    )
    return page, address


def _theme() -> gr.themes.Base:
    # The font comes with gradio; its semi-bold file lacks most letters, hence 700. The colours are for contrast.
    return gr.themes.Base(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif"],
    ).set(
        body_text_color_subdued="*neutral_600",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        link_text_color="*primary_700",
        link_text_color_hover="*primary_800",
        link_text_color_visited="*primary_700",
        link_text_color_dark="*primary_300",
        link_text_color_hover_dark="*primary_200",
        link_text_color_visited_dark="*primary_300",
    )


@contextmanager
def _messages() -> Iterator[None]:
    """Turns every exception into a message on the page (which shows HTML, so the text is escaped)."""
    try:
        yield
    except (ValueError, FileNotFoundError, ConnectionError) as error:  # their sentences are meant for people
        text = str(error)
        raise gr.Error(html.escape(text, quote=False), print_exception=False) from error
    except Exception as error:
        _log.exception("the photograph could not be made")
        text = "The photograph could not be made: something failed in the server, and its log says what."
        raise gr.Error(text, print_exception=False) from error


def _small(picture: Image.Image) -> Image.Image:
    picture = picture.copy()
    picture.thumbnail(STRIP_SIZE)
    return picture


def _data_url(picture: Image.Image) -> str:
    """A JPEG for the eye, within the answer itself: the page asks no second time. What is saved is a PNG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _needed(painting: Painting | None) -> Painting:
    if painting is None:
        raise LayoutError("a painting is needed.")
    return painting


# -- starting layouts --------------------------------------------------------------------------------


def _scenes_to(network: HubModel) -> np.ndarray:
    """uint8 (256,): the scenes' ids as ids of the network's classes."""
    return ClassSet.load(SCENE_CLASSES).translation_to(network.classes)


def _has_streets(network: HubModel) -> bool:
    scenes = ClassSet.load(SCENE_CLASSES)
    return bool((_scenes_to(network)[: len(scenes)] != UNLABELLED).all())


def _examples(network: HubModel) -> list[np.ndarray]:
    """The ids of every example in the network's classes and size; none if it lacks one of their classes."""
    if not _has_streets(network):
        return []
    scenes, to_network = ClassSet.load(SCENE_CLASSES), _scenes_to(network)
    files = [EXAMPLES_FOLDER / f"{name.replace(' ', '-')}.png" for name in EXAMPLES]
    return [resize_ids(to_network[read_layout(file, scenes).ids], network.size) for file in files]


def _opening(network: HubModel) -> tuple[np.ndarray, str]:
    """The layout that a page opens on, and what it is called."""
    if examples := _examples(network):
        return examples[0], EXAMPLES[0]
    return np.full(network.size, UNLABELLED, np.uint8), "an empty layout"


def _thumbnails(network: HubModel) -> list[tuple[Image.Image, str]]:
    examples = _examples(network)
    return [
        (network.classes.to_image(ids), name) for ids, name in zip(examples, EXAMPLES[: len(examples)], strict=True)
    ]


# -- pieces of HTML; whatever comes from a model or a visitor is escaped -----------------------------


def _header() -> str:
    return (
        "<h1>Paint a street, get a photograph</h1>"
        "<p>Cascaded Refinement Networks: one feed-forward network turns a layout of classes into a photograph, coarse "
        f'to fine. <a href="{PAPER_URL}" target="_blank" rel="noopener">Chen and Koltun, ICCV 2017</a></p>'
    )


def _facts(network: HubModel) -> str:
    height, width = network.size
    return (
        f"<p>Network: {network.TITLE}; {len(network.classes)} classes, {width} &times; {height} pixels, "
        f"{network.num_parameters:,} parameters, {network.num_images} image{'' if network.num_images == 1 else 's'} "
        "per layout</p>"
    )
