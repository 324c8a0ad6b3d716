"""What visitors can do on the page, and what the public endpoint does, apart from how the page looks.

A method of `Actions` takes the values of the page's components and returns what these show next. A failure becomes a
`gr.Error` with a sentence for people; details of an unexpected one go to the log, not to the visitor.
"""

import html
import logging
import random
import re
from collections import OrderedDict
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
from crn_hub.demo.painter import Download, LabelPainter, Preview, Result, model_facts
from crn_hub.demo.painting import MAX_PAINTING_PIXELS, Painting, UnreadablePainting, check_size, pack_style
from crn_hub.demo.photographs import cut, data_url, has_styles, photograph_of, small, small_photograph_of
from crn_hub.demo.starting_layouts import EXAMPLES, examples, has_streets, opening, street, thumbnails
from crn_hub.demo.turns import Turns
from crn_hub.networks import HubModel
from crn_hub.pictures import read_photograph, resize_picture
from crn_hub.styles import Style
from crn_hub.text import one_line

Sent = Painting | UnreadablePainting | None  # by the page; None before anybody has painted
STREETS = 10_000  # that "Surprise me" chooses from
PREVIEWS_KEPT = 500  # small photographs, some 5 kB each: of starting layouts, and after an undo
VISITS_KEPT = 500  # whose newest painting is remembered
# A photograph for a painting that was there before may be of another shape by this factor.
SHAPE_TOLERANCE = 1.02
PHOTOGRAPHS = (".jpg", ".jpeg", ".webp")  # what files of photographs end in, and those of layouts seldom
MAX_PHOTOGRAPH_PIXELS = 64_000_000  # of one that somebody gives
SHOWN_SIDE = 2048  # pixels; the page needs no more of a photograph
NEARLY_ALL = 0.98  # of a photograph: what is cut off then is nobody's loss
SEGMENTED = (
    "The layout was found by a small network for street scenes by day: correct it with the tools. At night, in rooms "
    "and in countries unlike those it has seen, it is often wrong."
)

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
        self._turns = Turns()
        self._previews: OrderedDict[tuple[str, str, int], str] = OrderedDict()  # least recently used first
        self._newest: OrderedDict[str, int] = OrderedDict()  # of each visit the revision that was asked for last

    def first_result(self) -> Result:
        """The opening layout with its photograph, which is part of the page: nobody waits for it."""
        result = self._of_new_model("", self.models.first, *opening(self.models.first))
        del result["network"]  # which no visitor waited for
        return result

    def generate(self, painting: Sent, name: str, request: gr.Request | None = None) -> LabelPainter:
        """The photograph of a painting. A failure is a result too, shown in the painter's status, where people look."""
        try:
            if request is not None and painting is not None:
                _remember(self._newest, str(request.session_hash), painting.revision or 0, VISITS_KEPT)
            return LabelPainter(result=self._result_of(self.models.get(name), _needed(painting)))
        except Exception as error:
            revision = painting.revision if painting else None
            failure: Result = {"mark": uuid4().hex, "revision": revision, "error": _sentence(error)}
            return LabelPainter(result=failure)

    def preview(self, name: str, event: gr.EventData, request: gr.Request | None = None) -> LabelPainter:
        """A small photograph of `event.painting`, text, in the style with the number `event.style`.

        It is not made if its visitor has asked for the photograph of a newer painting than `event.revision`.
        """
        preview: Preview = {"mark": uuid4().hex, "revision": event.revision, "style": event.style, "image": ""}
        key = name, str(event.painting), int(event.style)
        try:
            if key not in self._previews:
                painting, network = Painting.from_text(event.painting), self.models.get(name)
                with self._turns.turn(small=True):
                    newest = self._newest.get(str(request.session_hash), 0) if request else 0
                    if newest > int(event.revision):
                        return LabelPainter(preview=preview)
                    picture = small_photograph_of(network, painting, int(event.style))
                _remember(self._previews, key, data_url(picture), PREVIEWS_KEPT)
            preview["image"] = self._previews[key]
        except Exception as error:
            _sentence(error)  # in the log; the page does without
        return LabelPainter(preview=preview)

    def save(self, painting: Sent, name: str, event: gr.EventData) -> LabelPainter:
        """A PNG file to download; `event.kind` says of what: "photograph", or "colours" or "ids" of the layout."""
        with _messages():
            painting, network = _needed(painting), self.models.get(name)
            if event.kind == "photograph":
                with self._turns.turn():
                    picture = photograph_of(network, painting)[0]
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
            return self._shown(network, examples(network)[event.index], EXAMPLES[event.index])

    def surprise(self, name: str) -> LabelPainter:
        """A street made at random."""
        with _messages():
            network, seed = self.models.get(name), random.randrange(STREETS)
            return self._shown(network, street(network, seed), f"street {seed}")

    def upload(self, file: str, snap: bool, layout_classes: str, name: str) -> LabelPainter:
        """The layout in a file, as `read_layout` reads it; `layout_classes` may be ""."""
        with _messages():
            network = self.models.get(name)
            try:
                reading = _read(network, file, snap, layout_classes)
            except LayoutError as error:
                if has_streets(network) and Path(file).suffix.lower() in PHOTOGRAPHS:
                    raise LayoutError(f"{error} A photograph is for “Open a photograph”.") from error
                raise
            height, width = reading.ids.shape
            check_size(height, width, Path(file).name)
            return self._shown(network, reading.ids, Path(file).name, reading.notes)

    def open_photograph(self, file: str, name: str) -> LabelPainter:
        """The layout of a photograph, as the segmentation network in the box finds it, photographed in the colours of
        the original."""
        with _messages():
            network = self.models.get(name)
            whole = _read_photograph(file, SHOWN_SIDE)
            original = cut(whole, network.size)
            from crn_hub.segmentation import segment  # brings torchvision, for which the page need not wait

            with self._turns.turn():
                ids = segment(original, network.classes)
            painting = Painting(ids)
            if has_styles(network):
                style = Style.from_photograph(original, ids, name=_name_of_style(file))
                painting = Painting(ids, np.full_like(ids, len(network.styles)), styles=(style,))
            scale = max(original.width / whole.width, original.height / whole.height)
            share = original.width * original.height / (whole.width * whole.height * scale**2)
            size = f"{share:.0%} of the photograph is used, its middle: as much as the model's shape has room for."
            notes = [SEGMENTED, size] if share < NEARLY_ALL else [SEGMENTED]
            result = self._new_painting(network, painting, Path(file).name, notes)
            result["original"] = data_url(original)
            return LabelPainter(result=result)

    def take_colors(self, file: str, painting: Sent, name: str) -> LabelPainter:
        """The colours of a photograph whose layout is the painting, as a style."""
        with _messages():
            network = self.models.get(name)
            if not has_styles(network):
                raise ValueError("this model takes no colours of regions, so it has no styles.")
            ids = opening(network)[0] if painting is None else network.classes.check_ids(_needed(painting).ids)
            photograph = _read_photograph(file, SHOWN_SIDE)
            height, width = ids.shape
            stretch = photograph.width / photograph.height / (width / height)
            if not 1 / SHAPE_TOLERANCE <= stretch <= SHAPE_TOLERANCE:
                raise ValueError(
                    f"{Path(file).name}: {photograph.width} x {photograph.height} pixels, the layout {width} x "
                    f"{height}; cut it to the same shape first."
                )
            style = Style.from_photograph(resize_picture(photograph, ids.shape), ids, name=_name_of_style(file))
            result: Result = {"mark": uuid4().hex, "revision": None, "style": pack_style(style)}
            return LabelPainter(result=result)

    def load_model(self, wanted: str) -> None:
        """Makes a network ready for `change_model`, which may take minutes."""
        with _messages():
            self.models.load(wanted.strip())

    def reopen(self, event: gr.EventData) -> str:
        """Loads the network that a tab had before it was reloaded, `event.model`, and returns its name."""
        self.load_model(str(event.model))
        return str(event.model)

    def change_model(self, wanted: str, painting: Sent, before: str) -> list[Any]:
        """Shows a network that has been loaded; what was painted for the one before comes along, by class names.

        Returns:
            The painter, the network's name, its facts, thumbnails of the examples, and the examples' column, the button
            "Surprise me" and the column of "Open a photograph", which are visible if the network has streets.
        """
        with _messages():
            wanted = wanted.strip()
            network, classes_before = self.models.get(wanted), self.models.classes_of(before)
            if painting is None:
                ids, what = opening(network)
            else:
                ids, what = classes_before.check_ids(_needed(painting).ids), "your layout"
                if network.classes != classes_before:
                    ids = classes_before.translation_to(network.classes)[ids]
            streets = has_streets(network)
            return [
                LabelPainter(result=self._of_new_model(wanted, network, ids, what)),
                wanted,
                gr.HTML(facts_html(network)),
                gr.Gallery(thumbnails(network), selected_index=None),
                gr.Column(visible=streets),
                gr.Button(visible=streets),
                gr.Column(visible=streets),
            ]

    def synthesize(self, layout: str | None, snap: bool, style: str = "", seed: float = 0) -> Any:
        """Photographs of a layout: PNG files of the layout's own size, one for each image that the model gives.

        The layout is a file with class ids in one channel, a palette PNG, or a picture in class colours. With `snap`
        colours of no class are taken as the nearest class colour. `style` is the name or the number of one of /styles,
        "" for the first; `seed` a whole number, for other details.
        """
        with _messages():
            if layout is None:
                raise LayoutError("a layout file is needed.")
            network = self.models.first
            style = "" if style is None else str(style).strip()
            chosen = None if not style else int(style) if re.fullmatch("[0-9]{1,4}", style) else style
            whole = isinstance(seed, float | int) and not isinstance(seed, bool) and seed % 1 == 0  # inf % 1 is NaN
            if not whole:
                raise ValueError(f"seed must be a whole number, 0 or more, not {seed!r}.")
            ids = _read(network, layout, snap).ids
            with self._turns.turn():
                photographs = network.synthesize(ids, style=chosen, seed=int(seed))
            return photographs if len(photographs) > 1 else photographs[0]

    def styles(self) -> list[str]:
        """The names of the styles that /synthesize takes, the default first; none if the model has no styles."""
        return [style.name for style in self.models.first.styles]

    def segment(self, photograph: str | None) -> str:
        """The layout of a street photograph: a PNG file of the photograph's size with the model's classes, as ids with
        the class colours as their palette. It is found by a small network, and often wrong."""
        with _messages():
            if photograph is None:
                raise ValueError("a photograph file is needed.")
            classes = self.models.first.classes
            picture = _read_photograph(photograph)
            from crn_hub.segmentation import segment  # see `open_photograph`

            with self._turns.turn():
                layout = classes.to_image(segment(picture, classes))
            path = save_pil_to_cache(layout, get_upload_folder(), f"{Path(photograph).stem}-layout", "png")
            self.saved_files.add(path)
            return path

    # -- results -------------------------------------------------------------------------------------

    def _shown(self, network: HubModel, ids: np.ndarray, what: str, notes: Sequence[str] = ()) -> LabelPainter:
        return LabelPainter(result=self._new_painting(network, Painting(ids), what, notes))

    def _new_painting(self, network: HubModel, painting: Painting, what: str, notes: Sequence[str] = ()) -> Result:
        """A layout that replaces the one on the page, with its photograph."""
        result = self._result_of(network, painting)
        result.update({"painting": painting.to_text(), "what": what, "notes": list(notes)})
        return result

    def _of_new_model(self, name: str, network: HubModel, ids: np.ndarray, what: str) -> Result:
        """The same for a network that replaces the visitor's."""
        result = self._new_painting(network, Painting(ids), what)
        result["model"] = model_facts(name, network)
        return result

    def _result_of(self, network: HubModel, painting: Painting) -> Result:
        with self._turns.turn():
            photograph, outputs, milliseconds = photograph_of(network, painting)
        return {
            "mark": uuid4().hex,
            "revision": painting.revision,
            "image": data_url(photograph),
            "strip": [data_url(small(output)) for output in outputs] if len(outputs) > 1 else [],
            "network": milliseconds,
        }


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


def _needed(painting: Sent) -> Painting:
    if painting is None:
        raise LayoutError("a painting is needed.")
    if isinstance(painting, UnreadablePainting):
        raise LayoutError(painting.reason)
    return painting


def _read_photograph(file: str, side: int | None = None) -> Image.Image:
    """A photograph that somebody has sent, in RGB and upright.

    Args:
        file: its path; failures don't name the folder, which visitors need not know.
        side: a JPEG may be decoded at a fraction of its size that is not smaller than this in pixels, for the sake of
            time and memory.

    Raises:
        ValueError: if it is no photograph, or has too many pixels.
    """
    name = Path(file).name
    try:
        with Image.open(file) as picture:
            width, height = picture.size
            fits = width * height <= MAX_PHOTOGRAPH_PIXELS
            if fits:
                if side is not None:
                    picture.draft(None, (side, side))
                picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name}: not readable as a photograph.") from error
    if not fits:
        raise ValueError(
            f"{name}: {width} x {height} pixels; on this page a photograph may have {MAX_PHOTOGRAPH_PIXELS:,}."
        )
    return Image.fromarray(read_photograph(picture, name))


def _name_of_style(file: str) -> str:
    return one_line(Path(file).stem).strip()[:40] or "photograph"


def _remember(kept: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    """As the most recently used; the oldest go when there are too many."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def _read(network: HubModel, file: str, snap: bool, layout_classes: str = "") -> LayoutReading:
    return read_layout(
        file,
        network.classes,
        layout_classes=layout_classes or None,
        snap=snap,
        max_pixels=MAX_PAINTING_PIXELS,
        source=Path(file).name,  # visitors need not know the folder
    )
