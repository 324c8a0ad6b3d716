"""The painter's ES modules as one script, for Gradio's `js_on_load`, which is the body of a function.

Why the browser does not import the files itself: Gradio would serve them below /gradio_api/file= under their absolute
paths. It would send no Cache-Control header, so that after an update a browser may mix old and new files. It would
send the media type that the server's machine has for .js, and browsers refuse any but JavaScript's. The folder would
have to be allowed for all pages of the process. One script avoids all of this, and nothing more is fetched.
"""

import re
from graphlib import TopologicalSorter
from pathlib import Path

_IMPORT = re.compile(r'^import (\{ \w+(?:, \w+)* \}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:class|const|function|async function) (\w+))", re.MULTILINE)


def bundle(folder: Path, entry: str) -> str:
    """The module `entry` (a name without .js) of a folder and all that it imports, as statements in one scope.

    Each module becomes a function that is called once and returns what the module exports, an object of the module's
    name. So a module sees what it imports and nothing else of the others, as in a browser.

    Raises:
        ValueError: for an import or export in any form but `import { a, b } from "./name.js";` and `export` before a
            class, a function or a constant; for modules that import one another in a circle.
    """
    sources: dict[str, str] = {}
    imports: dict[str, list[str]] = {}
    due = [entry]
    while due:
        name = due.pop()
        if name not in sources:
            sources[name] = (folder / f"{name}.js").read_text(encoding="utf-8")
            imports[name] = [found[2] for found in _IMPORT.finditer(sources[name])]
            due += imports[name]
    return "\n".join(_scoped(name, sources[name]) for name in TopologicalSorter(imports).static_order())


def _scoped(name: str, source: str) -> str:
    body = _IMPORT.sub(r"const \1 = \2_module;", source)
    exports = ", ".join(_EXPORT.findall(body))
    body = _EXPORT.sub("", body)
    if left := re.search(r"^(?:import|export)\b.*", body, re.MULTILINE):
        raise ValueError(f"{name}.js: {left[0]!r} has a form that this bundle doesn't know.")
    return f'const {name}_module = (() => {{\n"use strict";\n{body}return {{ {exports} }};\n}})();\n'
