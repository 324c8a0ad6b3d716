/* The keys: a list for people, shortcuts, and a cursor for painting without a pointer. */

const KEYS = [
  ["B G R O P E I H M", "brush, fill, rectangle, ellipse, polygon, erase, pick, move the view, mix"],
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
  ["Shift 1 to 9, X", "outputs; what to take from them: all, a class, a region"],
  ["W", "next size of the layout"],
  ["L, S, Shift S, Alt S, K", "open a layout; save photograph, colours, ids; copy the link"],
  ["Arrows and Space", "with the layout in focus: move a cursor (Shift: by ten), press and release"],
  ["?", "this list"],
];

function keysDialog() {
  const dialog = h(
    "dialog", { class: "lp-keys", "aria-label": "Keys" },
    h("h3", { tabindex: -1, autofocus: true }, "Keys"), // or the button's focus would scroll the title away
    h("dl", {}, ...KEYS.flatMap(([keys, what]) => [h("dt", {}, keys), h("dd", {}, what)])),
    h("form", { method: "dialog" }, h("button", { class: "lp-button" }, "Close")),
  );
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
}

class Keys {
  constructor(painter) {
    this.painter = painter;
    this.at = null; // the pixel under the cursor that arrow keys move
    const { overlay } = painter;
    overlay.addEventListener("keydown", (event) => this.onCursorKey(event));
    overlay.addEventListener("blur", () => this.release());
    addEventListener("blur", () => { this.spaceDown = false; });
    document.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("keyup", (event) => { if (event.key === " ") this.spaceDown = false; });
  }

  /* The cursor goes; what it was painting is done. */
  release() {
    if (this.at && this.painter.tool) this.painter.endTool();
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
      this.at = this.at // it appears in the middle
        ? { x: within(this.at.x + way[0], layout.width), y: within(this.at.y + way[1], layout.height) }
        : { x: Math.floor(view.center.x), y: Math.floor(view.center.y) };
      painter.cursor = null;
      if (painter.tool) painter.moveTool([this.point], { shiftKey: false }); // here Shift means ten at once
      view.reveal(this.point);
      const id = layout.ids[this.at.y * layout.width + this.at.x];
      painter.say(this.at.x + ", " + this.at.y + " · " + painter.nameOf(id));
    } else if (event.key === " " && this.at && !event.repeat) {
      if (painter.tool) painter.endTool();
      else painter.startTool(this.point, event);
      if (painter.tool && !painter.tool.move) painter.endTool(); // nothing to drag
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  get point() {
    return { x: this.at.x + 0.5, y: this.at.y + 0.5 };
  }

  onKey(event) {
    const { painter } = this;
    if (!painter.root.isConnected || painter.keysDialog.open || event.defaultPrevented || !painter.layout) return;
    const fields = "input:not([type=radio], [type=checkbox], [type=range]), textarea, select, [contenteditable]";
    if (event.target.closest?.(fields)) return;
    // AltGr, under which many keyboards have [ and ], and what some systems report in its place.
    const third = event.getModifierState("AltGraph") || (event.ctrlKey && event.altKey);
    const command = !third && (event.ctrlKey || event.metaKey);
    let key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // Other scripts, and what Alt makes of letters on a Mac: by the place on the keyboard.
    if (key.length === 1 && key > "~" && event.code.startsWith("Key")) key = event.code.at(-1).toLowerCase();
    const act = command ? this.commandFor(key, event) : this.actionFor(key, event, event.altKey && !third);
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
    const { view } = painter;
    const { polygon } = painter.tools;
    const onControl = event.target.closest?.("button, a, [role=button], input, summary, label");
    const ofPolygon = key === "Escape" || key === "Backspace" || (key === "Enter" && !onControl);
    if (polygon.isOpen && ofPolygon) {
      return () => {
        painter.tool = null; // it may still be pressed
        painter.begin();
        ({ Enter: () => polygon.close(), Escape: () => polygon.cancel(), Backspace: () => polygon.back() })[key]();
        painter.commit();
        painter.exchange.renderIfAsked();
        view.refresh();
      };
    }
    if (key === "Escape" && painter.tool) return () => painter.giveUp();
    if (key === "Enter") return onControl ? null : () => painter.exchange.render(); // Enter on a button presses that
    if (key === " ") {
      if (onControl && !painter.cursor) return null; // over the layout, Space moves the view
      this.spaceDown = true;
      return () => {};
    }
    if (key === "s") {
      const kind = alt ? "ids" : event.shiftKey ? "colours" : "photograph";
      return () => painter.exchange.save(kind);
    }
    if (alt) return null;
    const tool = TOOLS.find((one) => one.key === key);
    if (tool) return tool.id === "mix" && painter.numImages < 2 ? null : () => painter.useTool(tool.id);
    const several = painter.numImages > 1;
    const kinds = ["none", "photograph", ...(painter.picture ? ["picture"] : [])];
    const named = {
      ",": () => painter.stepClass(-1), ".": () => painter.stepClass(1),
      "[": () => painter.setSize(painter.size - 1), "]": () => painter.setSize(painter.size + 1),
      "{": () => painter.setSize(painter.size - 10), "}": () => painter.setSize(painter.size + 10),
      z: () => painter.undo(), y: () => painter.redo(), Delete: () => painter.clear(),
      "+": () => view.zoomBy(1.5), "=": () => view.zoomBy(1.5), "-": () => view.zoomBy(1 / 1.5),
      f: () => view.fit(), v: () => painter.setLive(!painter.live),
      l: () => painter.exchange.openFile(), k: () => painter.memory.copyLink(),
      "<": () => painter.setOpacity(Math.max(0, view.opacity * 100 - 10)),
      ">": () => painter.setOpacity(Math.min(100, view.opacity * 100 + 10)),
      w: () => painter.nextCanvasSize(), x: () => several && painter.nextScope(),
      u: () => painter.setUnderlay(kinds[(kinds.indexOf(painter.underlayKind) + 1) % kinds.length]),
      "?": () => painter.keysDialog.showModal(), "/": () => painter.chips.search.focus(),
    }[key];
    if (named) return named;
    // The row of digits: with Shift the outputs. Where digits themselves need Shift, that gives the classes as well.
    const digit = /^[0-9]$/.test(key) ? key : /^Digit[0-9]$/.test(event.code) ? event.code.at(-1) : null;
    if (digit === null) return null;
    const index = (Number(digit) + 9) % 10;
    if (event.shiftKey && key !== digit) {
      return several && index < painter.numImages ? () => painter.useOutput(index) : null;
    }
    return index < painter.classes.length ? () => painter.useClass(index) : null;
  }
}
