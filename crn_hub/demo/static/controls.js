/* The parts of the painter that one clicks: made once, then changed in place. Texts are set as text, never as markup. */

/* h("button", { class: "x", onclick: f, "aria-label": "y" }, "text", child) */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/* Drawn for this project on a grid of 24 x 24: strokes only. */
const ICONS = {
  brush: "M4 20c3.5.5 6-1 6-4a2.5 2.5 0 0 0-5 0c0 2-.5 3-1 4ZM9.5 13.5 19 4l1.5 1.5-9.5 9.5",
  fill: "M5 12 12 5l7 7-7 7ZM12 5 9.5 2.5M6 11h12M20.5 16.5c1 1.5 1 3 0 3s-1-1.5 0-3Z",
  rectangle: "M4 6h16v12H4Z",
  ellipse: "M12 6c5 0 8.5 2.6 8.5 6s-3.5 6-8.5 6-8.5-2.6-8.5-6S7 6 12 6Z",
  polygon: "M4 9 13 4l7 7-4 9H7Z",
  erase: "M9 19 4 14l9-9 7 7-7 7ZM8.5 9.5l7 7M9 19h11",
  pick: "m13 7 4 4M15 5l1.5-1.5a2 2 0 0 1 4 4L19 9l1 1-2 2-6-6 2-2ZM12 8l-7 7-1 5 5-1 7-7",
  hand: "M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3",
  mix: "M4 5h9v9H4ZM11 10h9v9h-9Z",
  undo: "M9 5 4 10l5 5M4 10h10a5.5 5.5 0 0 1 0 9h-3",
  redo: "m15 5 5 5-5 5M20 10H10a5.5 5.5 0 0 0 0 9h3",
  clear: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  load: "M4 19V5h6l2 3h8v11ZM12 16v-5M9.5 13 12 10.5l2.5 2.5",
  zoomIn: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13ZM15.5 15.5 20 20M10.5 7.5v6M7.5 10.5h6",
  zoomOut: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13ZM15.5 15.5 20 20M7.5 10.5h6",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  keys: "M3 6h18v12H3ZM7 10h.01M11 10h.01M15 10h.01M8 14h8",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function iconButton(name, label, key, onclick) {
  return h(
    "button",
    { type: "button", class: "lp-icon", "data-do": name, "aria-label": label, title: label + " (" + key + ")", onclick },
    icon(name),
  );
}

/* A group of buttons of which one is pressed. */
function press(buttons, chosen) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
}

/* The classes as radio buttons: arrow keys, names and states come with them. */
class ClassChips {
  constructor(onchoose) {
    this.onchoose = onchoose;
    this.list = h("div", { class: "lp-chips" });
    this.search = h("input", {
      type: "search", class: "lp-search", placeholder: "Find a class  /", "aria-label": "Find a class",
      oninput: () => this.filter(), onkeydown: (event) => this.onSearchKey(event),
    });
    this.none = h("p", { class: "lp-none", hidden: true }, "No class has such a name.");
    this.node = h(
      "fieldset", { class: "lp-classes" }, h("legend", {}, "Class"), this.search, this.list, this.none,
    );
  }

  /* rows: { id, name, color }, the last one unlabelled. */
  set(rows) {
    this.search.value = "";
    this.search.hidden = rows.length <= 13;
    this.inputs = new Map();
    this.chips = rows.map(({ id, name, color }, position) => {
      const input = h("input", {
        type: "radio", name: "lp-class", value: id, onchange: () => this.onchoose(id),
      });
      this.inputs.set(id, input);
      const key = position < 10 && id !== UNLABELLED ? h("kbd", { "aria-hidden": "true" }, String((position + 1) % 10)) : null;
      return h(
        "label", { class: "lp-chip", "data-id": id, title: name },
        input, h("span", { class: "lp-swatch", style: "background: rgb(" + color + ")" }), h("span", {}, name), key,
      );
    });
    this.list.replaceChildren(...this.chips);
    this.filter();
  }

  filter() {
    const wanted = this.search.value.trim().toLowerCase();
    let found = 0;
    for (const chip of this.chips) {
      chip.hidden = !chip.title.toLowerCase().includes(wanted);
      found += !chip.hidden;
    }
    this.none.hidden = found > 0;
  }

  onSearchKey(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      const first = this.chips.find((chip) => !chip.hidden);
      if (first) this.onchoose(Number(first.dataset.id));
    } else if (event.key !== "Escape") return;
    this.search.value = "";
    this.filter();
    this.search.blur();
  }

  show(id) {
    const input = this.inputs.get(id);
    if (!input || input.checked) return;
    input.checked = true;
    const chip = input.parentElement;
    // Not scrollIntoView, which would also scroll the page.
    this.list.scrollTo({
      left: chip.offsetLeft + (chip.offsetWidth - this.list.clientWidth) / 2,
      top: chip.offsetTop + (chip.offsetHeight - this.list.clientHeight) / 2,
    });
  }
}

/* The k outputs, and what a click on one of them is for. */
class Outputs {
  constructor(onoutput, onscope) {
    this.onoutput = onoutput;
    this.strip = h("div", { class: "lp-strip", role: "group", "aria-label": "Outputs" });
    const scopes = [["all", "the whole picture"], ["class", "one class"], ["region", "one region"]];
    this.scopes = scopes.map(([scope, label]) =>
      h("button", { type: "button", "data-scope": scope, onclick: () => onscope(scope) }, label));
    this.hint = h("p", { class: "lp-hint" });
    this.node = h(
      "div", {},
      h("div", { class: "lp-scopes", role: "group", "aria-label": "What to take from an output" },
        h("span", { class: "lp-label" }, "Take from an output"), ...this.scopes),
      this.strip, this.hint,
    );
  }

  setCount(count) {
    this.node.hidden = count < 2;
    this.buttons = Array.from({ length: count }, (_, output) =>
      h("button", { type: "button", class: "lp-output", "aria-label": "Output " + (output + 1), onclick: () => this.onoutput(output) },
        h("img", { alt: "", draggable: "false" }), h("span", {}, String(output + 1))));
    this.strip.replaceChildren(...this.buttons);
  }

  setPictures(pictures) {
    this.buttons.forEach((button, output) => { button.firstChild.src = pictures[output] ?? ""; });
  }

  show(output, scope, className) {
    press(this.buttons, this.buttons[output]);
    press(this.scopes, this.scopes.find((button) => button.dataset.scope === scope));
    this.hint.textContent = {
      all: "Click an output to see it large.",
      class: "Click an output for the class " + className + ", or choose one and click something in the photograph.",
      region: "Choose an output, then click a region in the photograph.",
    }[scope];
  }
}
