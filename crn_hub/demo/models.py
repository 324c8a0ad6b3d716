"""The networks of one server: the one it was started with, and the last few that visitors asked for by name."""

import os
import tempfile
import threading
from collections import OrderedDict

from crn_hub.box import BOX
from crn_hub.classes import ClassSet
from crn_hub.demo.painting import check_size
from crn_hub.hub.source import check_repo_id
from crn_hub.networks import HubModel

KEPT = 2  # networks besides the first
MAX_IMAGES = 16  # outputs of a visitor's network; the paper has nine
MAX_PARAMETERS = 2**28  # of a visitor's network: twice the paper's largest, 1 GB


class Models:
    """Networks by name; "" is the first one.

    Args:
        first: the network that the server was started with.
        folders: whether a name may be a folder of this machine. Never on a server for others.
    """

    def __init__(self, first: HubModel, folders: bool):
        self.first, self.folders = first, folders
        self._loaded: OrderedDict[str, HubModel] = OrderedDict()  # least recently used first
        self._classes = {"": first.classes}  # of all that were ever loaded: paintings for them may still arrive
        self._access = threading.Lock()
        self._loading = threading.Lock()  # one at a time; the networks already loaded stay usable

    def get(self, name: str) -> HubModel:
        """A network that `load` has loaded.

        Raises:
            ValueError: if others have taken its place since.
        """
        if not name:
            return self.first
        with self._access:
            if name not in self._loaded:
                raise ValueError(f"{name}: others have loaded models in the meantime; load this one again.")
            self._loaded.move_to_end(name)
            return self._loaded[name]

    def classes_of(self, name: str) -> ClassSet:
        """The classes of a network that is loaded, or once was."""
        return self._classes[name]

    def load(self, name: str) -> None:
        """Loads a network for `get`, which may take minutes. Networks are loaded one at a time.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: as `HubModel.from_pretrained`; also for a network that is
                too large for this page and, where folders are not allowed, for a name that is not a Hub id.
        """
        with self._loading:
            with self._access:
                if not name or name in self._loaded:
                    return
            network = self._fetch(name)
            with self._access:
                self._loaded[name], self._classes[name] = network, network.classes
                while len(self._loaded) > KEPT:
                    self._loaded.popitem(last=False)

    def _fetch(self, name: str) -> HubModel:
        if self.folders or name == BOX:
            network = HubModel.from_pretrained(name, max_parameters=MAX_PARAMETERS)
        else:
            check_repo_id(name)
            if os.path.exists(name):
                raise ValueError(f"{name!r}: give the id of a model on the Hub, organisation/name.")
            # Without the server's token, and keeping no files: visitors see what is public, and can't fill the disk.
            with tempfile.TemporaryDirectory() as cache:
                network = HubModel.from_pretrained(name, token=False, cache_dir=cache, max_parameters=MAX_PARAMETERS)
        if network.num_images > MAX_IMAGES:
            raise ValueError(f"{name}: {network.num_images} images per layout; this page shows {MAX_IMAGES} at most.")
        check_size(*network.size, name)
        return network
