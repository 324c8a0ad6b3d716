"""`LabelPainter`: the Gradio component in which one paints a layout and sees its photograph.

Its half in the browser is in static/, as ES modules; painter.js is the one to read first. What the page sends is a
`Painting` as text; what it gets is a `Result`.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypedDict

import gradio as gr

from crn_hub.classes import LayoutError
from crn_hub.demo.bundle import bundle
from crn_hub.demo.painting import (
    MAX_COLORS,
    MAX_PAINTING_PIXELS,
    MAX_SEED,
    MAX_SIDE,
    MAX_STYLES,
    Painting,
    UnreadablePainting,
)
from crn_hub.demo.photographs import has_seed, has_styles, swatches
from crn_hub.demo.starting_layouts import palette_order
from crn_hub.networks import HubModel

STATIC = Path(__file__).parent / "static"
SCRIPT = bundle(STATIC, "painter") + "painter_module.start({ element, props, trigger, watch });\n"


class ModelFacts(TypedDict):
    """What the painter needs to know of a model."""

    name: str  # "" for the page's own
    classes: list[dict[str, Any]]  # {"name", "color": [r, g, b]} in the order of the ids
    unlabelled_color: list[int]
    order: list[int]  # ids in the order in which they are shown
    size: list[int]  # height, width
    num_images: int
    styles: list[str]  # names; [] if a painting doesn't choose among them
    swatches: list[list[list[int]]]  # with styles, for each class and for unlabelled the colours to choose from
    has_seed: bool  # whether a seed changes its photographs


class _Marks(TypedDict):
    mark: str  # different for each result
    revision: int | None  # of the page's painting that the photograph was made from


class Result(_Marks, total=False):
    """What Python sends to the painter: a photograph, a painting with its photograph, a style, or an error."""

    image: str  # URL of the photograph, as painted and mixed
    strip: list[str]  # URLs of small pictures of the outputs; [] if there is only one
    network: float  # milliseconds
    painting: str  # replaces the one on the page
    what: str  # its name, for the status
    notes: list[str]  # on how its file was read
    model: ModelFacts  # if the painting comes with another model
    original: str  # URL of the photograph that the painting was made from
    style: str  # as `pack_style` writes it: one more to choose from, which the whole layout takes
    error: str  # a sentence


class Preview(_Marks):
    """A small photograph of the page's painting in one style."""

    style: int  # its number
    image: str  # URL; "" if it could not be made


class Download(TypedDict):
    """A file that the page saves."""

    mark: str  # different for each file
    path: str  # in Gradio's cache
    name: str


class LabelPainter(gr.HTML):
    """A painter of layouts with the photograph beside it.

    Events: "generate", when a photograph is wanted; "save", with `kind` ("photograph", "colours" or "ids") in the
    event's data; "reopen", with the `model` that the tab had before a reload; "preview", with `painting` and
    `revision`, when a small photograph of it in the style with the number `style` is wanted. The first two have the
    painting as their value, with its revision: how often the layout has changed.

    Outputs: `result`, a `Result`, shows a photograph, or a painting with its photograph; `preview`, a `Preview`, a
    small photograph; `download`, a `Download`, saves a file.
    """

    EVENTS = ["generate", "save", "reopen", "preview"]  # type: ignore[assignment]  # noqa: RUF012 - gradio makes listeners of them

    def __init__(self, value: None = None, **options: Any):
        super().__init__(
            value,
            html_template="<div></div>",  # without the value, so that updates leave alone what painter.js builds there
            js_on_load=SCRIPT,
            apply_default_css=False,
            max_pixels=MAX_PAINTING_PIXELS,
            max_side=MAX_SIDE,
            max_seed=MAX_SEED,
            max_colors=MAX_COLORS,
            max_styles=MAX_STYLES,
            **options,
        )

    def __getattr__(self, name: str) -> NoReturn:
        """There are no events but `EVENTS`. Gradio asks for dozens of attributes that a component may lack, whenever it
        sends the painter something, and gr.HTML would search the whole script for each: 5 ms."""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def preprocess(self, payload: str | None) -> Painting | UnreadablePainting | None:  # type: ignore[override]
        """What the page sends, "REVISION TEXT", as a `Painting`; its ids are not yet checked against a class set.

        None as long as nobody has painted: the painting is still the one that came with the page.
        """
        if payload is None:
            return None
        before, _, text = str(payload).rpartition(" ")
        revision = int(before) if re.fullmatch("[0-9]{1,12}", before) else None
        try:
            return replace(Painting.from_text(text), revision=revision)
        except LayoutError as error:  # raised here it wouldn't reach the page as a result, which the page waits for
            return UnreadablePainting(revision, str(error))


def model_facts(name: str, network: HubModel) -> ModelFacts:
    """The facts of a network that the page knows by this name."""
    classes, styled = network.classes, has_styles(network)
    rows = zip(classes.names, classes.colors, strict=True)
    return {
        "name": name,
        "classes": [{"name": name, "color": list(color)} for name, color in rows],
        "unlabelled_color": list(classes.unlabelled_color),
        "order": palette_order(classes),
        "size": list(network.size),
        "num_images": network.num_images,
        "styles": [style.name for style in network.styles] if styled else [],
        "swatches": swatches(network) if styled else [],
        "has_seed": has_seed(network),
    }
