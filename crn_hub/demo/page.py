"""The page around the painter: starting layouts, buttons, a choice of model, and the public endpoints.

`build` makes the page, `launch` serves it with its looks and limits; what the buttons do is in `actions.py`.
Everything that the browser loads comes from this server. The public endpoints are /synthesize, a layout file in,
photographs out; /styles, what these can be like; and /segment, a photograph in, a layout out.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import gradio as gr

from crn_hub.classes import INDICES, LABEL_IDS, PRESETS
from crn_hub.demo.actions import Actions, facts_html
from crn_hub.demo.models import Models
from crn_hub.demo.painter import STATIC, LabelPainter
from crn_hub.demo.serving import calls_to_oneself_without_proxy, is_interactive, is_shared
from crn_hub.demo.starting_layouts import EXAMPLES, has_streets, thumbnails
from crn_hub.hub.card import PAPER_URL
from crn_hub.networks import HubModel

# What one visitor can make the server do; `painting.MAX_PAINTING_PIXELS` is checked before a layout is decoded.
MAX_FILE_SIZE = 20 * 2**20  # bytes of an uploaded file: photographs of phones have some 5 MB, seldom 15
MAX_BODY_SIZE = 21 * 2**20  # bytes of any request: the file and what surrounds it
MAX_WAITING = 20  # visitors in the queue
MAX_SESSIONS = 500  # visitors whose last photograph and model the server remembers

# What visitors can choose as a file's classes: the label on the page, and the `layout_classes` of `read_layout`.
LAYOUT_CLASSES = [
    ("Its classes: the model's", ""),
    *((f"Its classes: {preset}", preset) for preset in PRESETS),
    ("Its classes: cityscapes, raw ids", LABEL_IDS),
    ("Its classes: the model's, by number", INDICES),
]

# Options of events. All that run a network wait for their turn together (`Turns`), whichever event came first.
NETWORK: dict[str, Any] = {"concurrency_id": "net", "concurrency_limit": MAX_WAITING}
SMALL: dict[str, Any] = {"concurrency_id": "small", "concurrency_limit": MAX_WAITING}
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
LAST: dict[str, Any] = {"trigger_mode": "always_last"}  # of several quick changes, the last one counts
# With "always_last", Gradio would run the last of several deferred events with an older one's data; by default it drops
# them all.
EACH: dict[str, Any] = {"trigger_mode": "multiple"}


@dataclass(frozen=True)
class _Controls:
    """Where layouts come from."""

    surprise: gr.Button
    of_photographs: gr.Column  # the button of `photograph`
    upload: gr.UploadButton
    photograph: gr.UploadButton
    colors: gr.UploadButton
    layout_classes: gr.Dropdown
    snap: gr.Checkbox


@dataclass(frozen=True)
class _Parts:
    """The components that take part in events."""

    painter: LabelPainter
    name: gr.State  # of the visitor's model
    examples: gr.Column
    thumbnails: gr.Gallery
    controls: _Controls
    model_field: gr.Textbox
    model_button: gr.Button
    facts: gr.HTML


def build(model: HubModel, folders: bool = False) -> gr.Blocks:
    """The page; it opens on `model` and an example with its photograph.

    Examples and streets made at random are left out for a model that lacks one of their classes (`has_streets`).
    `folders`: whether visitors may name folders of this machine as models.
    """
    with gr.Blocks(title="Cascaded Refinement Networks", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        actions = Actions(Models(model, folders), page.upload_file_set)  # the files that `delete_cache` deletes
        gr.HTML(_header(), elem_id="header")
        painter = LabelPainter(
            elem_id="painter",
            result=actions.first_result(),
            preview=None,
            download=None,
            file_input="#open-layout input[type=file]",
            colors_input="#take-colors input[type=file]",
        )
        name = gr.State("")
        examples, gallery = _examples(model)
        controls = _controls(model)
        field, button, facts = _model_row(model, folders)
        parts = _Parts(painter, name, examples, gallery, controls, field, button, facts)
        _connect(actions, parts)
        _add_endpoints(actions, controls.snap, model)
    return page.queue(max_size=MAX_WAITING)


def launch(model: HubModel, **options: Any) -> tuple[gr.Blocks, str]:
    """Serves the page of `model`, also in a notebook; `options` as for gradio's `Blocks.launch`.

    Visitors may name folders of this machine as models only if they use it themselves: if the page is served on a
    loopback address, and neither by a Space nor under a public address, which gradio makes if `share=True` is given,
    and by default in hosted notebooks.

    Returns:
        The page and its address; not before the server has stopped, unless `prevent_thread_lock=True` is given or
        Python is interactive.
    """
    host = options.get("server_name") or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    share = is_shared() if options.get("share") is None else options["share"]
    is_own = host in ("127.0.0.1", "localhost", "::1") and not share and "SPACE_ID" not in os.environ
    page = build(model, folders=is_own)
    returns = options.pop("prevent_thread_lock", False) or is_interactive()
    looks_and_limits: dict[str, Any] = {
        "theme": _theme(),
        "css_paths": [STATIC / "page.css", STATIC / "painter.css"],
        "footer_links": ["api"],
        "max_file_size": MAX_FILE_SIZE,
        "app_kwargs": {"max_body_size": MAX_BODY_SIZE},
        "run_history": False,
        "state_session_capacity": MAX_SESSIONS,
        "ssr_mode": False,
    }
    with calls_to_oneself_without_proxy(host):
        _, address, shared = page.launch(**{**looks_and_limits, **options, "share": share, "prevent_thread_lock": True})
    _warm_up(address)
    if not returns:
        page.block_thread()
    return page, shared or address


def _warm_up(address: str) -> None:
    """Gradio imports half a second of modules at the first event; so that no visitor waits for them, it is ours."""
    call, ask = f"{address.rstrip('/')}/gradio_api/call/styles", build_opener(ProxyHandler({})).open
    with suppress(OSError, ValueError, KeyError):  # if it fails, a visitor waits
        request = Request(call, json.dumps({"data": []}).encode(), {"Content-Type": "application/json"})
        with ask(request, timeout=10) as started, ask(f"{call}/{json.load(started)['event_id']}", timeout=10) as answer:
            answer.read()


# -- parts, from top to bottom -----------------------------------------------------------------------


def _header() -> str:
    return (
        "<h1>Paint a street, get a photograph</h1>"
        "<p>Cascaded Refinement Networks: one feed-forward network turns a layout of classes into a photograph, coarse "
        f'to fine. <a href="{PAPER_URL}" target="_blank" rel="noopener">Chen and Koltun, ICCV 2017</a></p>'
    )


def _examples(model: HubModel) -> tuple[gr.Column, gr.Gallery]:
    with gr.Column(elem_id="examples", visible=has_streets(model)) as column:
        gr.HTML("<h2>Starting layouts</h2>")
        gallery = gr.Gallery(
            thumbnails(model),
            format="png", interactive=False, show_label=False, buttons=[],
            fit_columns=False, allow_preview=False, columns=len(EXAMPLES),
        )  # fmt: skip
    return column, gallery


def _controls(model: HubModel) -> _Controls:
    with gr.Row(elem_id="controls"):
        surprise = gr.Button("Surprise me", variant="primary", min_width=0, visible=has_streets(model))
        with gr.Column(elem_id="open-layout", min_width=0):
            upload = gr.UploadButton("Open a layout", min_width=0)
        with gr.Column(elem_id="open-photograph", min_width=0, visible=has_streets(model)) as of_photographs:
            photograph = gr.UploadButton("Open a photograph", file_types=["image"], min_width=0)
        with gr.Column(elem_id="take-colors", min_width=0):  # the painter has its button
            colors = gr.UploadButton("Colours of a photograph", file_types=["image"], min_width=0)
        layout_classes = gr.Dropdown(
            LAYOUT_CLASSES, value="", label="The file's classes", container=False, min_width=0,
            elem_id="layout-classes",
        )  # fmt: skip
        snap = gr.Checkbox(label="Snap its colours to the nearest class", container=False, min_width=0, elem_id="snap")
    return _Controls(surprise, of_photographs, upload, photograph, colors, layout_classes, snap)


def _model_row(model: HubModel, folders: bool) -> tuple[gr.Textbox, gr.Button, gr.HTML]:
    with gr.Row(elem_id="model"):
        what = "a folder, or organisation/name on the Hub" if folders else "organisation/name on the Hub"
        field = gr.Textbox(
            label="Model", placeholder=f"Another model: {what}", max_lines=1,
            container=False, min_width=0, elem_id="model-name",
        )  # fmt: skip
        button = gr.Button("Load the model", min_width=0)
        facts = gr.HTML(facts_html(model), elem_id="facts")
    return field, button, facts


# -- events ------------------------------------------------------------------------------------------


def _connect(actions: Actions, parts: _Parts) -> None:
    painter, name, field, controls = parts.painter, parts.name, parts.model_field, parts.controls
    painter.generate(actions.generate, [painter, name], painter, **LAST, **NETWORK, **PRIVATE)
    painter.preview(actions.preview, name, painter, **EACH, **SMALL, **PRIVATE)
    painter.save(actions.save, [painter, name], painter, **EACH, **NETWORK, **PRIVATE)
    parts.thumbnails.select(actions.show_example, name, painter, **EACH, **NETWORK, **PRIVATE)
    controls.surprise.click(actions.surprise, name, painter, **LAST, **NETWORK, **PRIVATE)
    of_file = [controls.upload, controls.snap, controls.layout_classes, name]
    controls.upload.upload(actions.upload, of_file, painter, **EACH, **NETWORK, **PRIVATE)
    of_photograph = [controls.photograph, name]
    controls.photograph.upload(actions.open_photograph, of_photograph, painter, **EACH, **NETWORK, **PRIVATE)
    of_colors = [controls.colors, painter, name]
    controls.colors.upload(actions.take_colors, of_colors, painter, **EACH, **NETWORK, **PRIVATE)
    # Loading may take minutes, during which others keep painting: it has a limit of its own.
    loading: dict[str, Any] = {
        "concurrency_id": "models", "concurrency_limit": 1, "api_visibility": "private",
        "show_progress": "minimal", "show_progress_on": field,
    }  # fmt: skip
    changed = [painter, name, parts.facts, parts.thumbnails, parts.examples, controls.surprise, controls.of_photographs]
    for loaded in (
        parts.model_button.click(actions.load_model, field, **loading),
        field.submit(actions.load_model, field, **loading),
        painter.reopen(actions.reopen, None, field, **loading),
    ):
        loaded.success(actions.change_model, [field, painter, name], changed, **NETWORK, **PRIVATE)


def _add_endpoints(actions: Actions, snap: gr.Checkbox, model: HubModel) -> None:
    with gr.Row(visible=False):  # what the endpoints take and give
        layout, photograph = gr.File(label="layout"), gr.File(label="photograph")
        style, seed = gr.Textbox("", label="style"), gr.Number(0, label="seed")
        results = [gr.Image(format="png", label=f"photograph {n}") for n in range(1, model.num_images + 1)]
        found = gr.File(label="layout of the photograph")
        synthesize, segment = gr.Button(), gr.Button()
    synthesize.click(actions.synthesize, [layout, snap, style, seed], results, api_name="synthesize", **NETWORK)
    segment.click(actions.segment, photograph, found, api_name="segment", **NETWORK)
    gr.api(actions.styles, api_name="styles")


# -- looks -------------------------------------------------------------------------------------------


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
