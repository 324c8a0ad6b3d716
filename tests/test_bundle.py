"""The painter's scripts: ES modules that name what they use, and the one script that is made of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from crn_hub.demo.bundle import bundle
from crn_hub.demo.painter import SCRIPT, STATIC

MODULES = sorted(path.stem for path in STATIC.glob("*.js"))
PAGE = ("element", "props", "trigger", "watch", "server", "upload")  # what Gradio gives the whole script


def without_comments(source: str) -> str:
    """Comments and the insides of strings left out."""
    return re.sub(
        r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"',
        lambda found: '""' if found[0].startswith('"') else "",
        source,
        flags=re.DOTALL,
    )


def exported(source: str) -> set[str]:
    return set(re.findall(r"^export (?:class|const|async function|function) (\w+)", source, re.MULTILINE))


def imported(source: str) -> set[str]:
    lists = re.findall(r"^import \{(.*)\} from", source, re.MULTILINE)
    return {name.strip() for names in lists for name in names.split(",")}


def uses(code: str, name: str) -> bool:
    """Whether a name is used by itself: not as a property, key or method, and not declared here."""
    code = re.sub(r"^import .*\n", "", code, flags=re.MULTILINE)
    declared = (
        rf"\b(?:const|let|class|function) {name}\b",
        rf"\b(?:const|let) \{{[^}}]*\b{name}\b[^}}]*\}}",
        rf"(?<!if )(?<!for )(?<!while )\([^()]*\b{name}\b[^()]*\) (?:=>|{{)",  # a parameter
    )
    if any(re.search(form, code) for form in declared):
        return False
    code = re.sub(rf"^  (?:async )?{name}\([^()]*\) {{", "", code, flags=re.MULTILINE)  # a method
    return re.search(rf"(?:\.\.\.|(?<![\w$.])){name}(?![\w$]|: )", code) is not None


SOURCES = {name: (STATIC / f"{name}.js").read_text(encoding="utf-8") for name in MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_what_they_use_and_nothing_else(module: str) -> None:
    code = without_comments(SOURCES[module])
    others = set().union(*(exported(source) for name, source in SOURCES.items() if name != module))
    assert {name for name in others if uses(code, name)} == imported(SOURCES[module])
    assert [name for name in PAGE if uses(code, name)] == []  # these come as arguments


def test_every_export_and_every_module_is_used() -> None:
    used = set().union(*map(imported, SOURCES.values()))
    assert set().union(*map(exported, SOURCES.values())) - used == {"start"}
    for module in MODULES:
        assert f"const {module}_module = " in SCRIPT


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """An empty page of a site that has the painter's modules as files."""
    page = browser.new_page()
    page.route("http://modules.test/**", lambda route: route.fulfill(body="<title>modules</title>"))
    page.route(
        "http://modules.test/*.js",
        lambda route: route.fulfill(
            body=(STATIC / route.request.url.rsplit("/", 1)[1]).read_bytes(), content_type="text/javascript"
        ),
    )
    page.goto("http://modules.test/")
    yield page
    page.close()


def test_browsers_take_them_as_modules_too(tab: Page) -> None:
    for module in MODULES:
        names = tab.evaluate(f"import('/{module}.js').then((module) => Object.keys(module))")
        assert set(names) == exported(SOURCES[module])


def test_a_module_sees_what_it_imports_and_nothing_else(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "far.js").write_text("const hidden = 1;\nexport const far = () => typeof near + typeof hidden;\n")
    (tmp_path / "near.js").write_text('import { far } from "./far.js";\nexport const near = async () => far();\n')
    (tmp_path / "main.js").write_text(
        'import { far } from "./far.js";\nimport { near } from "./near.js";\n\n'
        "class Hidden {}\nexport class Main { go() { return near().then((text) => text + far() + typeof hidden); } }\n"
    )
    page = browser.new_page()
    script = bundle(tmp_path, "main")
    found = page.evaluate(f"() => {{ {script}; return new main_module.Main().go().then((s) => s + typeof Hidden); }}")
    page.close()
    assert found == "undefinednumberundefinednumberundefinedundefined"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('import far from "./far.js";\n', "'import far from \"./far.js\";' has a form"),
        ('import { far as near } from "./far.js";\n', "'import { far as near } from \"./far.js\";' has a form"),
        ("export default 3;\n", "'export default 3;' has a form"),
        ("const a = 1;\nexport { a };\n", "'export { a };' has a form"),
        ('import { main } from "./main.js";\n', "cycle"),
    ],
)
def test_other_forms_of_import_and_export_are_refused(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "far.js").write_text("export const far = 1;\n")
    (tmp_path / "main.js").write_text(source)
    with pytest.raises(ValueError, match=re.escape(message)):
        bundle(tmp_path, "main")
