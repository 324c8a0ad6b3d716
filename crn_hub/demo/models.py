"""The networks of one server: the one it was started with, and the last few that visitors asked for by name."""

import os
import tempfile
import threading
from collections import OrderedDict

from crn_hub.hub import check_repo_id
from crn_hub.model import CRN

KEPT = 2  # networks besides the first
MAX_PARAMETERS = 2**28  # of a visitor's network: twice the paper's largest, 1 GB


class Models:
    """Networks by name; "" is the first one.

    Args:
        first: the network that the server was started with.
        folders: whether a name may be a folder of this machine. On a server for others it must not.
    """

    def __init__(self, first: CRN, folders: bool):
        self.first, self.folders = first, folders
        self._loaded: OrderedDict[str, CRN] = OrderedDict()  # in the order of their last use
        self._access = threading.Lock()
        self._loading = threading.Lock()  # one at a time, while those that are there go on working

    def get(self, name: str) -> CRN:
        """The network of this name, loaded if need be.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: as `CRN.from_pretrained`, and for a name that is no Hub id
                where folders are not allowed.
        """
        if not name:
            return self.first
        with self._access:
            if name in self._loaded:
                self._loaded.move_to_end(name)
                return self._loaded[name]
        with self._loading:
            with self._access:
                if name in self._loaded:  # somebody else has just asked for it
                    return self._loaded[name]
            if not self.folders:
                check_repo_id(name)
                if os.path.exists(name):
                    raise ValueError(f"{name!r}: give the id of a model on the Hub, organisation/name.")
                # Without the server's own token, and no file stays: visitors see what everybody sees, and fill no disk.
                with tempfile.TemporaryDirectory() as cache:
                    network = CRN.from_pretrained(name, token=False, cache_dir=cache, max_parameters=MAX_PARAMETERS)
            else:
                network = CRN.from_pretrained(name, max_parameters=MAX_PARAMETERS)
            with self._access:
                self._loaded[name] = network
                while len(self._loaded) > KEPT:
                    self._loaded.popitem(last=False)
            return network
