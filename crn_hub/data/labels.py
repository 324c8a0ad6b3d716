"""Label maps of a data set -> ids, by the rules for layouts (`classes.read_layout`)."""

from typing import Any

from crn_hub.classes import INDICES, LABEL_IDS, ClassSet, LayoutError, LayoutReading, read_layout
from crn_hub.data.cells import Content
from crn_hub.data_options import LabelOptions
from crn_hub.hub.source import short_name


class LabelReader:
    """Reads the label maps of a data set.

    The rules are those for layouts, but for two. The id n, after the last of n classes, is unlabelled, as in many data
    sets. And a label that may as well mean something else is refused: one can't see it as one sees a layout.

    Args:
        classes: those of the data, perhaps with the codes of its label files.
        options: how labels are read.

    Attributes:
        classes: without codes.
        past_the_last: n, if it counts as unlabelled and nobody has said so; else None.

    Raises:
        LayoutError: if `options` name classes that can't be read.
    """

    def __init__(self, classes: ClassSet, options: LabelOptions | None = None):
        options = options or LabelOptions()
        self._options = options
        self.classes, self._coded = classes.without_codes(), classes
        if options.reduce_labels and classes.codes.ids:
            raise LayoutError(
                "--reduce_labels: the file with the classes says already what numbers in labels mean; leave it out."
            )
        self.snap, self.reduce_labels, self.ignored = options.snap, options.reduce_labels, {*options.ignore_label}
        self.drawn_in: ClassSet | str | None = options.layout_classes
        if self.drawn_in not in (None, INDICES, LABEL_IDS):
            self.drawn_in = ClassSet.load(self.drawn_in)  # type: ignore[arg-type]
        elif self.drawn_in is None and (classes.codes.ids or classes.codes.colors):
            self.drawn_in = classes
        own = self.drawn_in if isinstance(self.drawn_in, ClassSet) else classes
        is_known = self.drawn_in == LABEL_IDS or own.codes.ids or self.reduce_labels or len(own) in self.ignored
        self.past_the_last = None if is_known else len(own)

    @property
    def facts(self) -> dict[str, Any]:
        """How labels are read, as far as somebody has said so; plain JSON."""
        options = self._options
        said = {
            "layout_classes": options.layout_classes and short_name(options.layout_classes),
            "snap": options.snap,
            "ignore_label": sorted({*options.ignore_label}),
            "reduce_labels": options.reduce_labels,
        }
        return {name: value for name, value in said.items() if value}

    def read(self, label: Content, source: str) -> LayoutReading:
        """
        Args:
            label: a picture or an array, as `cells.open_cell` opens it.
            source: what messages call it.

        Raises:
            LayoutError: naming `source`, if it is no label map, or may as well mean something else.
        """
        unlabelled = self.ignored if self.past_the_last is None else {*self.ignored, self.past_the_last}
        reading = read_layout(
            label,
            self._coded,
            layout_classes=self.drawn_in,
            snap=self.snap,
            unlabelled=unlabelled,
            starts_at_one=self.reduce_labels,
            source=source,
        )
        if self.drawn_in is None and (guesses := [finding.note for finding in reading.findings if finding.is_guess]):
            raise LayoutError(
                f"{source}: {guesses[0].rstrip('.')}, or if its colours are class colours, those of the classes."
            )
        return reading
