/* The painter's nodes: panes, tools, options, buttons. They are made once and then changed in place; clicks call
   methods of `painter` and of its helpers. Helpers with a state of their own make their own nodes. */

import { h, iconButton } from "./dom.js";
import { keysDialog } from "./keys.js";
import { MAX_BRUSH, TOOLS } from "./tools.js";

/* The nodes that others need, by name; `root` contains all of them. */
export function buildParts(painter) {
  const panes = layoutPane();
  const [toolRow, tools] = makeTools(painter);
  const [optionsRow, options] = makeOptions(painter);
  const [runRow, run] = makeRun(painter);
  const notes = h("ul", { class: "lp-notes", "aria-label": "Notes" });
  const colorsButton = h("button", {
    type: "button", class: "lp-button", title: "Its regions' colours become a style: it must show this layout",
    onclick: () => painter.exchange.openColors(),
  }, "Colours of a photograph…");
  painter.details.node.append(colorsButton);
  const side = h(
    "div", { class: "lp-side" },
    notes, painter.outputs.node, painter.colors.node, painter.details.node, saveRow(painter),
  );
  const dialog = keysDialog();
  const root = h(
    "section", { class: "lp", "aria-label": "Painter" },
    toolRow, painter.chips.node, panes.pane, painter.photograph.pane, optionsRow, runRow, side, dialog,
  );
  return { root, side, ...panes, ...tools, ...options, ...run, notes, colorsButton, keysDialog: dialog };
}

function layoutPane() {
  const base = h("canvas", { "aria-hidden": "true" });
  const overlay = h("canvas", {
    class: "lp-overlay", tabindex: 0, role: "application",
    "aria-label": "Layout. Arrow keys move a cursor, Space paints, question mark lists all keys.",
  });
  return { pane: h("div", { class: "lp-pane lp-canvas" }, base, overlay), base, overlay };
}

function makeTools(painter) {
  const toolButtons = TOOLS.map(({ id, key, label }) => {
    const button = iconButton(id, label, key.toUpperCase(), () => painter.useTool(id));
    button.dataset.tool = id;
    return button;
  });
  const undoButton = iconButton("undo", "Undo", "Ctrl Z", () => painter.undo());
  const redoButton = iconButton("redo", "Redo", "Ctrl Shift Z", () => painter.redo());
  const zoomText = h("output", { class: "lp-zoom", "aria-label": "Zoom" }, "100%");
  const bar = () => h("span", { class: "lp-bar", "aria-hidden": "true" });
  const row = h(
    "div", { class: "lp-tools", role: "group", "aria-label": "Tools" },
    ...toolButtons,
    bar(),
    undoButton, redoButton,
    iconButton("clear", "Clear", "Delete", () => painter.clear()),
    iconButton("load", "Open a layout", "L", () => painter.exchange.openFile()),
    bar(),
    iconButton("zoomOut", "Zoom out", "-", () => painter.view.zoomBy(1 / 1.5)),
    zoomText,
    iconButton("zoomIn", "Zoom in", "+", () => painter.view.zoomBy(1.5)),
    iconButton("fit", "Fit", "F", () => painter.view.fit()),
    bar(),
    iconButton("keys", "Keys", "?", () => painter.parts.keysDialog.showModal()),
  );
  return [row, { toolButtons, undoButton, redoButton, zoomText }];
}

function makeOptions(painter) {
  const sizeInput = h("input", {
    type: "range", min: 1, max: MAX_BRUSH, "aria-label": "Brush size in pixels",
    oninput: () => painter.setSize(Number(sizeInput.value)),
  });
  const sizeText = h("output", {});
  const layoutSizeInput = h("select", {
    "aria-label": "Size of the layout", onchange: () => painter.resize(layoutSizeInput.value),
  });
  const row = h(
    "div", { class: "lp-options" },
    h("label", { class: "lp-grow" }, h("span", { class: "lp-label" }, "Brush"), sizeInput, sizeText),
    h("label", {}, h("span", { class: "lp-label" }, "Layout"), layoutSizeInput),
    ...painter.underlay.nodes,
  );
  return [row, { sizeInput, sizeText, layoutSizeInput }];
}

function makeRun(painter) {
  const liveInput = h("input", { type: "checkbox", onchange: () => painter.setLive(liveInput.checked) });
  const status = h("div", { class: "lp-status", role: "status" });
  const row = h(
    "div", { class: "lp-run" },
    h("button", { type: "button", class: "lp-button lp-primary", onclick: () => painter.exchange.render() },
      "Generate"),
    h("label", { class: "lp-check" }, liveInput, "Live"),
    status,
  );
  return [row, { liveInput, status }];
}

function saveRow(painter) {
  const button = (kind, label, onclick) =>
    h("button", { type: "button", class: "lp-button", "data-save": kind, onclick }, label);
  const kinds = [["photograph", "Photograph"], ["colours", "Layout in colours"], ["ids", "Layout of ids"]];
  return h(
    "div", { class: "lp-saves" },
    h("span", { class: "lp-label" }, "Save"),
    ...kinds.map(([kind, label]) => button(kind, label, () => painter.exchange.save(kind))),
    button("link", "Copy a link", () => painter.memory.copyLink()),
  );
}
