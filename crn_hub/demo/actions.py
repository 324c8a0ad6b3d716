"""What visitors can do on the page, and what the public endpoint does, apart from how the page looks.

A method of `Actions` takes the values of the page's components and returns what these show next. A failure becomes a
`gr.Error` with a sentence for people; details of an unexpected one go to the log, not to the visitor.
"""

import base64
import html
import io
import logging
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

from crn_hub.classes import LayoutError, LayoutReading, read_layout
from crn_hub.demo.models import Models
from crn_hub.demo.painter import Download, LabelPainter, Result, model_facts
from crn_hub.demo.painting import MAX_PAINTING_PIXELS, Painting, check_size
from crn_hub.demo.starting_layouts import EXAMPLES, examples, has_streets, opening, street, thumbnails
from crn_hub.networks import HubModel
from crn_hub.pictures import compose

STREETS = 10_000  # that "Surprise me" chooses from
STRIP_SIZE = (288, 72)  # pixels, width and height that the small pictures of the k outputs fit into

_log = logging.getLogger(__name__)


class Actions:
    """What visitors can do with the networks of a server.

    Several arguments come up again and again: `painting` is what the page's painter sends, None before anybody has
    painted; `name` is that of the visitor's network, "" for the server's own.

    Args:
        models: the networks.
        saved_files: gets the path of every file that `save` writes, for the server to delete in time.
    """

    def __init__(self, models: Models, saved_files: set[str]):
        self.models, self.saved_files = models, saved_files

    def first_result(self) -> Result:
        """The opening layout with its photograph, which is part of the page: nobody waits for it."""
        result = _of_new_model("", self.models.first, *opening(self.models.first))
        del result["network"]  # the time of a cold start, which no visitor waited for
        return result

    def generate(self, painting: Painting | None, name: str) -> LabelPainter:
        """The photograph of a painting. A failure is a result too, shown in the painter's status, where people look."""
        try:
            return LabelPainter(result=_result_of(self.models.get(name), _needed(painting)))
        except Exception as error:
            revision = painting.revision if painting else None
            failure: Result = {"mark": uuid4().hex, "revision": revision, "error": _sentence(error)}
            return LabelPainter(result=failure)

    def save(self, painting: Painting | None, name: str, event: gr.EventData) -> LabelPainter:
        """A PNG file to download; `event.kind` says of what: "photograph", or "colours" or "ids" of the layout."""
        with _messages():
            painting, network = _needed(painting), self.models.get(name)
            if event.kind == "photograph":
                picture = _photograph_of(network, painting)[0]
            elif event.kind == "colours":
                picture = Image.fromarray(network.classes.to_colors(painting.ids))
            else:
                picture = Image.fromarray(network.classes.check_ids(painting.ids))
            file = "photograph" if event.kind == "photograph" else f"layout-{event.kind}"
            path = save_pil_to_cache(picture, get_upload_folder(), file, "png")
            self.saved_files.add(path)
            download: Download = {"mark": uuid4().hex, "path": path, "name": f"{file}.png"}
            return LabelPainter(download=download)

    def show_example(self, name: str, event: gr.SelectData) -> LabelPainter:
        """The starting layout with the number `event.index`."""
        with _messages():
            network = self.models.get(name)
            return _shown(network, examples(network)[event.index], EXAMPLES[event.index])

    def surprise(self, name: str) -> LabelPainter:
        """A street made at random."""
        with _messages():
            network, seed = self.models.get(name), random.randrange(STREETS)
            return _shown(network, street(network, seed), f"street {seed}")

    def upload(self, file: str, snap: bool, layout_classes: str, name: str) -> LabelPainter:
        """The layout in a file, as `read_layout` reads it; `layout_classes` may be ""."""
        with _messages():
            network = self.models.get(name)
            reading = _read(network, file, snap, layout_classes)
            height, width = reading.ids.shape
            check_size(height, width, Path(file).name)
            return _shown(network, reading.ids, Path(file).name, reading.notes)

    def load_model(self, wanted: str) -> None:
        """Makes a network ready for `change_model`, which may take minutes."""
        with _messages():
            self.models.load(wanted.strip())

    def reopen(self, event: gr.EventData) -> str:
        """Loads the network that a tab had before it was reloaded, `event.model`, and returns its name."""
        self.load_model(str(event.model))
        return str(event.model)

    def change_model(self, wanted: str, painting: Painting | None, before: str) -> list[Any]:
        """Shows a network that has been loaded; what was painted for the one before comes along, by class names.

        Returns:
            The painter, the network's name, its facts, thumbnails of the examples, and the examples' column and the
            button "Surprise me", which are visible if the network has streets.
        """
        with _messages():
            wanted = wanted.strip()
            network, classes_before = self.models.get(wanted), self.models.classes_of(before)
            if painting is None:
                ids, what = opening(network)
            else:
                ids, what = classes_before.check_ids(painting.ids), "your layout"
                if network.classes != classes_before:
                    ids = classes_before.translation_to(network.classes)[ids]
            streets = has_streets(network)
            return [
                LabelPainter(result=_of_new_model(wanted, network, ids, what)),
                wanted,
                gr.HTML(facts_html(network)),
                gr.Gallery(thumbnails(network), selected_index=None),
                gr.Column(visible=streets),
                gr.Button(visible=streets),
            ]

    def synthesize(self, layout: str | None, snap: bool) -> Any:
        """Photographs of a layout: PNG files of the layout's own size, one for each image that the model gives.

        The layout is a file with class ids in one channel, a palette PNG, or a picture in class colours. With `snap`
        colours of no class are taken as the nearest class colour.
        """
        with _messages():
            if layout is None:
                raise LayoutError("a layout file is needed.")
            network = self.models.first
            photographs = network.synthesize(_read(network, layout, snap).ids)
            return photographs if len(photographs) > 1 else photographs[0]


def facts_html(network: HubModel) -> str:
    """A sentence about a network, as HTML."""
    height, width = network.size
    return (
        f"<p>Network: {network.TITLE}; {len(network.classes)} classes, {width} &times; {height} pixels, "
        f"{network.num_parameters:,} parameters, {network.num_images} image{'' if network.num_images == 1 else 's'} "
        "per layout</p>"
    )


# -- failures ----------------------------------------------------------------------------------------


@contextmanager
def _messages() -> Iterator[None]:
    """Turns every exception into a message on the page (which shows HTML, so the text is escaped)."""
    try:
        yield
    except Exception as error:
        raise gr.Error(html.escape(_sentence(error), quote=False), print_exception=False) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, (ValueError, FileNotFoundError, ConnectionError)):  # their sentences are meant for people
        return str(error)
    _log.error("the photograph could not be made", exc_info=error)
    return "The photograph could not be made: something failed in the server, and its log says what."


# -- files and paintings -----------------------------------------------------------------------------


def _needed(painting: Painting | None) -> Painting:
    if painting is None:
        raise LayoutError("a painting is needed.")
    return painting


def _read(network: HubModel, file: str, snap: bool, layout_classes: str = "") -> LayoutReading:
    return read_layout(
        file,
        network.classes,
        layout_classes=layout_classes or None,
        snap=snap,
        max_pixels=MAX_PAINTING_PIXELS,
        source=Path(file).name,  # visitors need not know the folder
    )


# -- results -----------------------------------------------------------------------------------------


def _shown(network: HubModel, ids: np.ndarray, what: str, notes: Sequence[str] = ()) -> LabelPainter:
    return LabelPainter(result=_new_painting(network, ids, what, notes))


def _new_painting(network: HubModel, ids: np.ndarray, what: str, notes: Sequence[str] = ()) -> Result:
    """A layout that replaces the one on the page, with its photograph."""
    painting = Painting(ids)
    result = _result_of(network, painting)
    result.update({"painting": painting.to_text(), "what": what, "notes": list(notes)})
    return result


def _of_new_model(name: str, network: HubModel, ids: np.ndarray, what: str) -> Result:
    """The same for a network that replaces the visitor's."""
    result = _new_painting(network, ids, what)
    result["model"] = model_facts(name, network.classes, network.size, network.num_images)
    return result


def _result_of(network: HubModel, painting: Painting) -> Result:
    photograph, outputs, milliseconds = _photograph_of(network, painting)
    return {
        "mark": uuid4().hex,
        "revision": painting.revision,
        "image": _data_url(photograph),
        "strip": [_data_url(_small(output)) for output in outputs] if len(outputs) > 1 else [],
        "network": milliseconds,
    }


def _photograph_of(network: HubModel, painting: Painting) -> tuple[Image.Image, list[Image.Image], float]:
    """The photograph as painted and mixed, all outputs, and the network's milliseconds."""
    started = time.perf_counter()
    outputs = network.synthesize(painting.ids)
    milliseconds = (time.perf_counter() - started) * 1000
    photograph = outputs[0] if painting.choice is None else compose(outputs, painting.choice)
    return photograph, outputs, milliseconds


def _small(picture: Image.Image) -> Image.Image:
    picture = picture.copy()
    picture.thumbnail(STRIP_SIZE)
    return picture


def _data_url(picture: Image.Image) -> str:
    """A JPEG for display, in the answer itself, so that the page need not ask again. Saved files are PNG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
