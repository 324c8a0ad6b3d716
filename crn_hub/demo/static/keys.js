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
    h("h3", {}, "Keys"),
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
    overlay.addEventListener("blur", () => {
      if (this.at && painter.tool) painter.giveUp();
      this.at = null;
      painter.view.refresh();
    });
    document.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("keyup", (event) => { if (event.key === " ") this.spaceDown = false; });
  }

  /* Painting without a pointer: arrows move a cursor, Space presses and releases. */
  onCursorKey(event) {
    const step = event.shiftKey ? 10 : 1;
    const way = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (way && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const { x, y } = this.at ?? { x: Math.floor(this.painter.view.center.x), y: Math.floor(this.painter.view.center.y) };
      const within = (value, most) => Math.min(most - 1, Math.max(0, value));
      this.at = this.at
        ? { x: within(x + way[0], this.painter.layout.width), y: within(y + way[1], this.painter.layout.height) }
        : { x, y };
      this.painter.cursor = null;
      if (this.painter.tool) this.painter.moveTool([this.point], { shiftKey: false }); // here Shift means ten at once
      this.painter.view.refresh();
      const id = this.painter.layout.ids[this.at.y * this.painter.layout.width + this.at.x];
      this.painter.say(this.at.x + ", " + this.at.y + " · " + this.painter.nameOf(id));
    } else if (event.key === " " && this.at && !event.repeat) {
      if (this.painter.tool) this.painter.endTool(this.point, event);
      else this.painter.startTool(this.point, event);
      if (this.painter.tool && !this.painter.tool.move) this.painter.endTool(this.point, event); // nothing to drag
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
    const inField = event.target.closest?.("input:not([type=radio], [type=checkbox], [type=range]), textarea, select, [contenteditable]");
    if (inField) return;
    const third = event.getModifierState("AltGraph"); // where [ and ] are on many keyboards; some report Ctrl and Alt too
    const command = !third && (event.ctrlKey || event.metaKey);
    let key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // Other scripts, and what Alt makes of letters on a Mac: by the place on the keyboard.
    if (key.length === 1 && key > "~" && event.code.startsWith("Key")) key = event.code.at(-1).toLowerCase();
    const act = command ? this.commandFor(key, event) : this.actionFor(key, event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  commandFor(key, event) {
    if (key === "z") return () => (event.shiftKey ? this.painter.redo() : this.painter.undo());
    if (key === "y") return () => this.painter.redo();
    return null;
  }

  actionFor(key, event) {
    const polygon = this.painter.tools.polygon;
    const onControl = event.target.closest?.("button, a, [role=button], input, summary, label");
    if (polygon.isOpen && ["Enter", "Escape", "Backspace"].includes(key)) {
      return () => {
        this.painter.begin();
        ({ Enter: () => polygon.close(), Escape: () => polygon.cancel(), Backspace: () => polygon.back() })[key]();
        this.painter.commit();
        this.painter.view.refresh();
      };
    }
    if (key === "Escape" && this.painter.tool) return () => this.painter.giveUp();
    if (key === "Enter") return onControl ? null : () => this.painter.exchange.render(); // Enter on a button presses that
    if (key === " ") {
      if (onControl) return null;
      this.spaceDown = true;
      return () => {};
    }
    if (key === "s") {
      const kind = event.altKey ? "ids" : event.shiftKey ? "colours" : "photograph";
      return () => this.painter.exchange.save(kind);
    }
    if (event.altKey && !event.getModifierState("AltGraph")) return null;
    if (event.shiftKey && /^Digit[1-9]$/.test(event.code)) {
      const output = Number(event.code.at(-1)) - 1;
      return output < this.painter.numImages && this.painter.numImages > 1 ? () => this.painter.useOutput(output) : null;
    }
    const tool = TOOLS.find((one) => one.key === key);
    if (tool) return tool.id === "mix" && this.painter.numImages < 2 ? null : () => this.painter.useTool(tool.id);
    if (/^[0-9]$/.test(key)) {
      const id = (Number(key) + 9) % 10;
      return id < this.painter.classes.length ? () => this.painter.useClass(id) : null;
    }
    const kinds = ["none", "photograph", ...(this.painter.picture ? ["picture"] : [])];
    return {
      ",": () => this.painter.stepClass(-1), ".": () => this.painter.stepClass(1),
      "[": () => this.painter.setSize(this.painter.size - 1), "]": () => this.painter.setSize(this.painter.size + 1),
      "{": () => this.painter.setSize(this.painter.size - 10), "}": () => this.painter.setSize(this.painter.size + 10),
      z: () => this.painter.undo(), y: () => this.painter.redo(), Delete: () => this.painter.clear(),
      "+": () => this.painter.view.zoomBy(1.5), "=": () => this.painter.view.zoomBy(1.5), "-": () => this.painter.view.zoomBy(1 / 1.5),
      f: () => this.painter.view.fit(), v: () => this.painter.setLive(!this.painter.live), l: () => this.painter.exchange.openFile(), k: () => this.painter.memory.copyLink(),
      "<": () => this.painter.setOpacity(Math.max(0, this.painter.view.opacity * 100 - 10)),
      ">": () => this.painter.setOpacity(Math.min(100, this.painter.view.opacity * 100 + 10)),
      w: () => this.painter.nextCanvasSize(), x: () => { if (this.painter.numImages > 1) this.painter.nextScope(); },
      u: () => this.painter.setUnderlay(kinds[(kinds.indexOf(this.painter.underlayKind) + 1) % kinds.length]),
      "?": () => this.painter.keysDialog.showModal(), "/": () => { if (!this.painter.chips.search.hidden) this.painter.chips.search.focus(); },
    }[key] ?? null;
  }
}
