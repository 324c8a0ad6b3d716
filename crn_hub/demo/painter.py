"""`LabelPainter`: the Gradio component in which one paints a layout and sees its photograph.

Its half in the browser is in static/, as ES modules; painter.js is the one to read first. What the page sends is a
`Painting` as text; what it gets is a `Result`.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.demo.bundle import bundle
from crn_hub.demo.painting import MAX_PAINTING_PIXELS, MAX_SIDE, Painting

STATIC = Path(__file__).parent / "static"
SCRIPT = bundle(STATIC, "painter") + "painter_module.start({ element, props, trigger, watch });\n"


class ModelFacts(TypedDict):
    """What the painter needs to know of a model."""

    name: str  # "" for the page's own
    classes: list[dict[str, Any]]  # {"name", "color": [r, g, b]} in the order of the ids
    unlabelled_color: list[int]
    size: list[int]  # height, width
    num_images: int


class _Marks(TypedDict):
    mark: str  # different for each result
    revision: int | None  # of the page's painting that the photograph was made from


class Result(_Marks, total=False):
    """What Python sends to the painter: a photograph, a painting with its photograph, or an error."""

    image: str  # URL of the photograph, as painted and mixed
    strip: list[str]  # URLs of small pictures of the outputs; [] if there is only one
    network: float  # milliseconds
    painting: str  # replaces the one on the page
    what: str  # its name, for the status
    notes: list[str]  # on how its file was read
    model: ModelFacts  # if the painting comes with another model
    error: str  # a sentence


class Download(TypedDict):
    """A file that the page saves."""

    mark: str  # different for each file
    path: str  # in Gradio's cache
    name: str


class LabelPainter(gr.HTML):
    """A painter of layouts with the photograph beside it.

    Events: "generate", when a photograph is wanted; "save", with `kind` ("photograph", "colours" or "ids") in the
    event's data; "reopen", with the `model` that the tab had before a reload. The first two have the painting as their
    value, with its revision: how often the layout has changed.

    Outputs: `result`, a `Result`, shows a photograph, or a painting with its photograph; `download`, a `Download`,
    saves a file.
    """

    EVENTS = ["generate", "save", "reopen"]  # type: ignore[assignment]  # noqa: RUF012 - gradio makes listeners of them

    def __init__(self, value: None = None, **options: Any):
        super().__init__(
            value,
            html_template="<div></div>",  # without the value, so that updates leave alone what painter.js builds there
            js_on_load=SCRIPT,
            apply_default_css=False,
            max_pixels=MAX_PAINTING_PIXELS,
            max_side=MAX_SIDE,
            **options,
        )

    def preprocess(self, payload: str | None) -> Painting | None:  # type: ignore[override]
        """What the page sends, "REVISION TEXT", as a `Painting`; its ids are not yet checked against a class set.

        None as long as nobody has painted: the painting is still the one that came with the page.
        """
        if payload is None:
            return None
        revision, _, text = str(payload).rpartition(" ")
        try:
            painting = Painting.from_text(text)
            return replace(painting, revision=int(revision) if re.fullmatch("[0-9]{1,12}", revision) else None)
        except LayoutError as error:
            raise gr.Error(str(error), print_exception=False) from error


def model_facts(name: str, classes: ClassSet, size: tuple[int, int], num_images: int) -> ModelFacts:
    """The facts of a model of this name with these classes, (height, width) and images per layout."""
    rows = zip(classes.names, classes.colors, strict=True)
    return {
        "name": name,
        "classes": [{"name": name, "color": list(color)} for name, color in rows],
        "unlabelled_color": list(classes.unlabelled_color),
        "size": list(size),
        "num_images": num_images,
    }
