/* The keyboard: shortcuts, their list for people, and a cursor for painting without a pointer. */

import { h } from "./dom.js";
import { TOOLS } from "./tools.js";

const KEYS = [
  ["B G R O P E I H M", "brush, fill, rectangle, ellipse, polygon, erase, pick, move the view, mix or give colours"],
  ["1 to 9, 0", "the first ten classes"],
  [", and .", "class before, class after"],
  ["/", "find a class; Enter takes the first"],
  ["[ and ]", "brush smaller, larger (with Shift by ten)"],
  ["Shift", "brush: straight line, or from the last end with a click; shapes: square, circle"],
  ["Alt", "pick a class, whatever the tool"],
  ["Enter, Esc, Backspace", "polygon: close, give up, one corner back"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo (also Z, Y)"],
  ["Delete", "clear"],
  ["Enter, V", "generate; live on or off"],
  ["+ − F", "zoom in, out, fit (also Ctrl and wheel, or two fingers)"],
  ["Space and drag", "move the view (also the middle button)"],
  ["U, < and >", "underlay: nothing, the photograph, your picture; opacity of the layout"],
  ["Shift 1 to 9, X", "outputs or styles; what takes them: all, a class, a region"],
  ["N", "other details"],
  ["W", "next size of the layout"],
  ["L, S, Shift S, Alt S, K", "open a layout; save photograph, colours, ids; copy the link"],
  ["Arrows and Space", "with the layout in focus: move a cursor (Shift: by ten), press and release"],
  ["?", "this list"],
];

export function keysDialog() {
  const dialog = h(
    "dialog", { class: "lp-keys", "aria-label": "Keys" },
    h("h3", { tabindex: -1, autofocus: true }, "Keys"), // or the button's focus would scroll the title away
    h("dl", {}, ...KEYS.flatMap(([keys, what]) => [h("dt", {}, keys), h("dd", {}, what)])),
    h("form", { method: "dialog" }, h("button", { class: "lp-button" }, "Close")),
  );
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
}

export class Keys {
  constructor(painter) {
    this.painter = painter;
    this.at = null; // the pixel under the cursor that arrow keys move
    this.spaceDown = false; // while it is, dragging moves the view
    const { overlay } = painter.parts;
    overlay.addEventListener("keydown", (event) => this.onCursorKey(event));
    overlay.addEventListener("blur", () => this.release());
    addEventListener("blur", () => { this.spaceDown = false; });
    document.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("keyup", (event) => { if (event.key === " ") this.spaceDown = false; });
  }

  /* Removes the cursor, and ends the stroke that it was painting. */
  release() {
    if (this.at && this.painter.stroke) this.painter.endStroke();
    this.at = null;
    this.painter.view.refresh();
  }

  /* Painting without a pointer: arrows move a cursor, Space presses and releases. */
  onCursorKey(event) {
    const { painter } = this;
    const step = event.shiftKey ? 10 : 1;
    const way = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (way && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const { layout, view } = painter;
      const within = (value, most) => Math.min(most - 1, Math.max(0, value));
      this.at = this.at // at first it appears in the middle
        ? { x: within(this.at.x + way[0], layout.width), y: within(this.at.y + way[1], layout.height) }
        : { x: Math.floor(view.center.x), y: Math.floor(view.center.y) };
      painter.pointers.hide();
      if (painter.stroke) painter.moveStroke([this.point], { shiftKey: false }); // here Shift means steps of ten
      view.reveal(this.point);
      const id = layout.ids[this.at.y * layout.width + this.at.x];
      painter.say(this.at.x + ", " + this.at.y + " · " + painter.model.nameOf(id));
    } else if (event.key === " " && this.at && !event.repeat) {
      if (painter.stroke) painter.endStroke();
      else painter.startStroke(this.point, event);
      if (painter.stroke && !painter.stroke.tool.move) painter.endStroke(); // nothing to drag
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  get point() {
    return { x: this.at.x + 0.5, y: this.at.y + 0.5 };
  }

  onKey(event) {
    const { painter } = this;
    const { root, keysDialog: dialog } = painter.parts;
    if (!root.isConnected || dialog.open || event.defaultPrevented || !painter.layout) return;
    const fields = "input:not([type=radio], [type=checkbox], [type=range]), textarea, select, [contenteditable]";
    if (event.target.closest?.(fields)) return;
    // Many keyboards need AltGr for [ and ]; some systems report it as Ctrl and Alt.
    const altGr = event.getModifierState("AltGraph") || (event.ctrlKey && event.altKey);
    const command = !altGr && (event.ctrlKey || event.metaKey);
    let key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // Letters of other scripts, and the characters that Alt makes on a Mac, count by their place on the keyboard.
    if (key.length === 1 && key > "~" && event.code.startsWith("Key")) key = event.code.at(-1).toLowerCase();
    const act = command ? this.commandFor(key, event) : this.actionFor(key, event, event.altKey && !altGr);
    if (!act) return;
    event.preventDefault();
    act();
  }

  commandFor(key, event) {
    if (key === "z") return () => (event.shiftKey ? this.painter.redo() : this.painter.undo());
    if (key === "y") return () => this.painter.redo();
    return null;
  }

  actionFor(key, event, alt) {
    const { painter } = this;
    const { view, underlay, outputs } = painter;
    const several = painter.model.hasSources;
    const { polygon } = painter.tools;
    const onControl = event.target.closest?.("button, a, [role=button], input, summary, label");
    if (polygon.isOpen) {
      if (key === "Enter" && !onControl) return () => painter.changePolygon(() => polygon.close());
      if (key === "Escape") return () => painter.changePolygon(() => polygon.cancel());
      if (key === "Backspace") return () => painter.changePolygon(() => polygon.back());
    }
    if (key === "Escape" && painter.stroke) return () => painter.giveUp();
    if (key === "Enter") return onControl ? null : () => painter.exchange.render(); // on a button, Enter presses it
    if (key === " ") {
      if (onControl && !painter.pointers.over) return null; // over the layout, Space moves the view
      this.spaceDown = true;
      return () => {};
    }
    if (key === "s") {
      const kind = alt ? "ids" : event.shiftKey ? "colours" : "photograph";
      return () => painter.exchange.save(kind);
    }
    if (alt) return null;
    const tool = TOOLS.find((one) => one.key === key);
    if (tool) return tool.id === "mix" && !several ? null : () => painter.useTool(tool.id);
    const named = {
      ",": () => painter.stepClass(-1), ".": () => painter.stepClass(1),
      "[": () => painter.setSize(painter.size - 1), "]": () => painter.setSize(painter.size + 1),
      "{": () => painter.setSize(painter.size - 10), "}": () => painter.setSize(painter.size + 10),
      z: () => painter.undo(), y: () => painter.redo(), Delete: () => painter.clear(),
      "+": () => view.zoomBy(1.5), "=": () => view.zoomBy(1.5), "-": () => view.zoomBy(1 / 1.5),
      f: () => view.fit(), v: () => painter.setLive(!painter.live),
      l: () => painter.exchange.openFile(), k: () => painter.memory.copyLink(),
      "<": () => underlay.setOpacity(Math.max(0, underlay.opacity - 10)),
      ">": () => underlay.setOpacity(Math.min(100, underlay.opacity + 10)),
      w: () => painter.nextSize(), x: () => several && outputs.nextScope(),
      n: () => painter.model.hasSeed && painter.details.shuffle(), u: () => underlay.next(),
      "?": () => painter.parts.keysDialog.showModal(), "/": () => painter.chips.search.focus(),
    }[key];
    if (named) return named;
    // The digit row chooses classes, with Shift outputs. Where typing a digit takes Shift, that chooses a class too.
    const digit = /^[0-9]$/.test(key) ? key : /^Digit[0-9]$/.test(event.code) ? event.code.at(-1) : null;
    if (digit === null) return null;
    const index = (Number(digit) + 9) % 10;
    if (event.shiftKey && key !== digit) {
      return several && index < outputs.buttons.length ? () => outputs.choose(index) : null;
    }
    return index < painter.model.classes.length ? () => painter.useClass(painter.model.rows[index].id) : null;
  }
}
