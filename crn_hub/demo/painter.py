"""`LabelPainter`: the Gradio component in which one paints a layout and sees its photograph.

The page's half is in static/: layout.js (painting on ids), history.js, codec.js, view.js, tools.js, controls.js and
painter.js, in this order one function body. What Python and the page exchange as the value is a `Painting` as text.
"""

from pathlib import Path
from typing import Any

import gradio as gr

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.demo.painting import Painting

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("layout.js", "history.js", "codec.js", "view.js", "tools.js", "controls.js", "painter.js")
SCRIPT = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)

MAX_PIXELS = 2048 * 2048  # of a painting


class LabelPainter(gr.HTML):
    """A painter of layouts with the photograph beside it.

    Events: "generate", with `revision` (how often the layout has changed) in the event's data, when a photograph is
    wanted; "save", with `kind` ("photograph", "colours" or "ids"). Both bring the painting as the value.

    Outputs: `photograph` (see `page.py`) shows what a render gave, and keeps the painting; together with a value
    its revision is None, and the value becomes the painting, as a step that can be undone. `download` saves a file.
    """

    EVENTS = ["generate", "save"]  # noqa: RUF012 - so gradio wants it

    def __init__(self, value: Painting | None = None, **options: Any):
        super().__init__(
            value,  # type: ignore[arg-type] # by `postprocess` a text
            html_template="<div></div>",  # without the value: what painter.js builds there stays through updates
            js_on_load=SCRIPT,
            apply_default_css=False,
            max_pixels=MAX_PIXELS,
            **options,
        )

    def preprocess(self, payload: str | None) -> Painting:  # type: ignore[override]
        """The text of the page as a `Painting`; ids are yet to be checked against a class set."""
        try:
            return Painting.from_text(payload or "", MAX_PIXELS)
        except LayoutError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def postprocess(self, value: Painting | None) -> str | None:  # type: ignore[override]
        """The painting as text for the page."""
        return None if value is None else value.to_text()


def model_props(name: str, classes: ClassSet, size: tuple[int, int], num_images: int) -> dict[str, Any]:
    """What the painter needs to know of a model called `name`: classes, (height, width), images per layout."""
    return {
        "model": name,
        "classes": [
            {"name": class_name, "color": list(color)}
            for class_name, color in zip(classes.names, classes.colors, strict=True)
        ],
        "unlabelled_color": list(classes.unlabelled_color),
        "size": list(size),
        "num_images": num_images,
    }
