"""The page: example streets, streets made by chance, uploads; layout and photograph side by side; the legend.

`build` makes the page of one model, `launch` serves it with its looks and limits. Everything that the browser
loads comes from this server. The one public endpoint is /synthesize: a layout file in, photographs out.
"""

import html
import logging
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_pil_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from crn_hub.card import PAPER_URL
from crn_hub.classes import UNLABELLED, ClassSet, LayoutError, LayoutReading, read_layout
from crn_hub.model import CRN
from crn_hub.scenes import SCENE_CLASSES, street_scene
from crn_hub.synthesis import resize_ids

HERE = Path(__file__).parent

# Layouts of `street_scene` with the seeds 12, 0, 9, 21, 22 and 25; the page opens on the first.
EXAMPLES = ("avenue", "high street", "park road", "two cyclists", "lorry ahead", "parked cars")

# What one visitor can make the server do.
MAX_PIXELS = 2048 * 2048  # of a layout, checked before it is decoded
MAX_FILE_SIZE = 4 * 2**20  # bytes of an uploaded file
MAX_BODY_SIZE = 5 * 2**20  # bytes of any request: the file and what surrounds it
MAX_WAITING = 20  # visitors in the queue

_log = logging.getLogger(__name__)


def build(model: CRN) -> gr.Blocks:
    """The page of one model; it opens on an example with its photograph.

    Examples and streets made by chance have CamVid's classes; both are left out if the model lacks one of these.
    """
    scenes = ClassSet.load(SCENE_CLASSES)
    to_model = scenes.translation_to(model.classes)
    has_streets = bool((to_model[: len(scenes)] != UNLABELLED).all())
    examples = [_example(name, to_model, model.size) for name in EXAMPLES] if has_streets else []

    def photographs_of(
        ids: np.ndarray, what: str, started: float, notes: Sequence[str] = ()
    ) -> tuple[Image.Image, list[str], str]:
        """The layout's picture, files of the photographs, the status; work began at `started` (time.perf_counter)."""
        before = time.perf_counter()
        photographs = model.synthesize(ids)
        synthesis = time.perf_counter() - before
        # Files rather than pictures: photograph, button and strip share them, and their names are worth saving.
        files = [
            save_pil_to_cache(photograph, get_upload_folder(), f"photograph-{number}", "png")
            for number, photograph in enumerate(photographs, 1)
        ]
        layout = model.classes.to_image(ids)
        return layout, files, _status(what, ids, synthesis, time.perf_counter() - started, notes)

    def show(
        ids: np.ndarray, what: str, started: float, example: int | None = None, notes: Sequence[str] = ()
    ) -> list[Any]:
        """Values for `shown`; `example` is the index of the thumbnail that `ids` belong to."""
        layout, files, status = photographs_of(ids, what, started, notes)
        return [
            layout,
            files[0],
            gr.DownloadButton(value=files[0], visible=True),
            gr.Gallery(files, selected_index=0, visible=model.num_images > 1),
            status,
            gr.Gallery(selected_index=example),
        ]

    def show_example(event: gr.SelectData) -> list[Any]:
        with _messages():
            return show(examples[event.index], EXAMPLES[event.index], time.perf_counter(), event.index)

    def surprise() -> list[Any]:
        with _messages():
            started = time.perf_counter()
            seed = random.randrange(10_000)
            ids, _ = street_scene(seed, size=model.size)
            return show(to_model[ids], f"street {seed}", started)

    def read(file: str, snap: bool) -> LayoutReading:
        # By the file's own name: the folder is the server's business.
        return read_layout(file, model.classes, snap=snap, max_pixels=MAX_PIXELS, source=Path(file).name)

    def upload(file: str, snap: bool) -> list[Any]:
        with _messages():
            started = time.perf_counter()
            reading = read(file, snap)
            return show(reading.ids, Path(file).name, started, notes=reading.notes)

    def choose(photographs: list[tuple[str, None]], event: gr.SelectData) -> list[str]:
        with _messages():
            return [photographs[event.index][0]] * 2

    def synthesize(layout: str | None, snap: bool) -> Any:
        """Photographs of a layout: PNG files of the layout's own size, one for each image that the model gives.

        The layout is a file with class ids in one channel, a palette PNG, or a picture in class colours. With `snap`
        colours of no class are taken as the nearest class colour.
        """
        with _messages():
            if layout is None:
                raise LayoutError("a layout file is needed.")
            photographs = model.synthesize(read(layout, snap).ids)
            return photographs if len(photographs) > 1 else photographs[0]

    if examples:  # the first photograph is a part of the page: nobody waits for it
        first_layout, first_files, first_status = photographs_of(examples[0], EXAMPLES[0], time.perf_counter())
    else:
        first_layout, first_files, first_status = None, [], "Upload a layout to begin."
    first_file = first_files[0] if first_files else None

    picture: dict[str, Any] = {"format": "png", "interactive": False, "show_label": False, "buttons": []}
    gallery: dict[str, Any] = {
        "format": "png", "interactive": False, "show_label": False, "buttons": [],
        "fit_columns": False, "allow_preview": False, "selected_index": 0,
    }  # fmt: skip

    with gr.Blocks(title="Cascaded Refinement Networks", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.HTML(_header(model), elem_id="header")
        with gr.Row(elem_id="pictures"):
            with gr.Column(min_width=300):
                gr.HTML("<h2>Layout</h2>")
                layout = gr.Image(first_layout, **picture, alt_text="Layout in class colours", elem_id="layout")
            with gr.Column(min_width=300):
                gr.HTML("<h2>Photograph</h2>")
                photograph = gr.Image(first_file, **picture, alt_text="Synthesised photograph", elem_id="photograph")
                strip = gr.Gallery(
                    first_files, **gallery, columns=model.num_images, visible=len(first_files) > 1, elem_id="strip"
                )
        with gr.Row(elem_id="controls"):
            surprise_button = gr.Button("Surprise me", variant="primary", min_width=0, visible=bool(examples))
            upload_button = gr.UploadButton("Upload a layout", min_width=0)
            snap = gr.Checkbox(
                label="Snap its colours to the nearest class", container=False, min_width=0, elem_id="snap"
            )
            download = gr.DownloadButton("Save the photograph", first_file, min_width=0, visible=bool(first_files))
            status = gr.HTML(first_status, elem_id="status")
        with gr.Column(elem_id="examples", visible=bool(examples)):
            gr.HTML("<h2>Example layouts</h2>")
            thumbnails = gr.Gallery(
                [
                    (model.classes.to_image(ids), name)
                    for ids, name in zip(examples, EXAMPLES[: len(examples)], strict=True)
                ],
                **gallery,
                columns=len(EXAMPLES),
            )
        gr.HTML(_legend(model.classes), elem_id="legend")
        with gr.Row(visible=False):  # what the endpoint takes and gives
            file = gr.File(label="layout")
            results = [gr.Image(format="png", label=f"photograph {n}") for n in range(1, model.num_images + 1)]
            call = gr.Button()

        shown = [layout, photograph, download, strip, status, thumbnails]
        network: dict[str, Any] = {"concurrency_id": "net", "concurrency_limit": 1}  # one run at a time
        progress: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": photograph}
        private: dict[str, Any] = {"api_visibility": "private"}
        last: dict[str, Any] = {"trigger_mode": "always_last"}  # of quick clicks the last one counts
        thumbnails.select(show_example, None, shown, **last, **network, **progress, **private)
        surprise_button.click(surprise, None, shown, **last, **network, **progress, **private)
        upload_button.upload(upload, [upload_button, snap], shown, **network, **progress, **private)
        strip.select(choose, strip, [photograph, download], queue=False, show_progress="hidden", **private)
        call.click(synthesize, [file, snap], results, api_name="synthesize", **network)
    return page.queue(max_size=MAX_WAITING)


def launch(model: CRN, **options: Any) -> tuple[gr.Blocks, str]:
    """Serves the page of `model`; `options` as for gradio's `Blocks.launch`.

    Returns:
        The page and its address. Unless `prevent_thread_lock=True` is among the options, only when it is over.
    """
    page = build(model)
    _, address, _ = page.launch(
        theme=_theme(),
        css_paths=HERE / "page.css",
        footer_links=["api"],
        max_file_size=MAX_FILE_SIZE,
        app_kwargs={"max_body_size": MAX_BODY_SIZE},
        share=False,
        run_history=False,
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
    except ValueError as error:  # LayoutError is one; its sentence is meant for people
        text = str(error)
        raise gr.Error(html.escape(text, quote=False), print_exception=False) from error
    except Exception as error:
        _log.exception("the photograph could not be made")
        text = "The photograph could not be made: something failed in the server, and its log says what."
        raise gr.Error(text, print_exception=False) from error


def _example(name: str, to_model: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The ids of one example layout in the model's classes and size (height, width)."""
    file = HERE / "examples" / f"{name.replace(' ', '-')}.png"
    return resize_ids(to_model[read_layout(file, ClassSet.load(SCENE_CLASSES)).ids], size)


# -- pieces of HTML; whatever comes from a model or a visitor is escaped -----------------------------


def _header(model: CRN) -> str:
    height, width = model.size
    return (
        "<h1>Cascaded Refinement Networks</h1>"
        "<p>A semantic layout goes in, a photograph comes out: one feed-forward network paints every pixel, coarse to "
        f'fine. <a href="{PAPER_URL}" target="_blank" rel="noopener">Chen and Koltun, ICCV 2017</a></p>'
        f'<p class="facts">This model: {len(model.classes)} classes, {width} &times; {height} pixels, '
        f"{model.num_parameters:,} parameters.</p>"
    )


def _status(what: str, ids: np.ndarray, synthesis: float, total: float, notes: Sequence[str]) -> str:
    height, width = ids.shape
    report = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return (
        f'<div role="status"><b>{html.escape(what)}</b> · {width} &times; {height} pixels · '
        f"synthesis {synthesis * 1000:.0f} ms, total {total * 1000:.0f} ms{report and f'<ul>{report}</ul>'}</div>"
    )


def _legend(classes: ClassSet) -> str:
    rows = [*zip(classes.names, classes.colors, strict=True), ("unlabelled", classes.unlabelled_color)]
    items = "".join(f'<li><span style="background: rgb{color}"></span>{html.escape(name)}</li>' for name, color in rows)
    return f"<h2>Classes</h2><ul>{items}</ul>"
