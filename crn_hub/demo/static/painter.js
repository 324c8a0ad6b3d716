/* The painter: layout and photograph side by side. The ids in `layout` are the truth; everything else shows them.

   Runs as the body of Gradio's js_on_load, after the other files of this folder, with `element`, `props`, `trigger`
   and `watch`. */


class Painter {
  constructor() {
    this.revision = 0; // of the layout; the photograph has that of the layout it was made of
    this.shown = -1;
    this.size = 24;
    this.classId = 0;
    this.live = true;
    this.output = 0;
    this.scope = "all";
    this.underlayKind = "none";
    this.history = new History();
    this.build();
    this.tools = Object.fromEntries(TOOLS.map((tool) => [tool.id, tool.make(this)]));
    this.useTool("brush");
    this.exchange = new Exchange(this);
    this.memory = new Memory(this);
    this.pointers = new Pointers(this);
    this.keys = new Keys(this);
  }

  // -- the parts ------------------------------------------------------------------------------------

  build() {
    const base = h("canvas", { "aria-hidden": "true" });
    this.overlay = h("canvas", {
      class: "lp-overlay", tabindex: 0, role: "application",
      "aria-label": "Layout. Arrow keys move a cursor, Space paints, question mark lists all keys.",
    });
    this.image = h("img", { alt: "Photograph of the layout", draggable: "false" });
    this.canvasPane = h("div", { class: "lp-pane lp-canvas" }, base, this.overlay);
    this.photographPane = h("div", { class: "lp-pane lp-photograph" }, this.image, h("div", { class: "lp-progress" }));
    this.view = new View(this.canvasPane, base, this.overlay, this.image);
    this.view.drawCursor = (context) => this.drawCursor(context);
    this.view.onMove = () => { this.zoomText.textContent = Math.round(this.view.zoom * 100) + "%"; };

    this.toolButtons = TOOLS.map(({ id, key, label }) => {
      const button = iconButton(id, label, key.toUpperCase(), () => this.useTool(id));
      button.dataset.tool = id;
      return button;
    });
    this.undoButton = iconButton("undo", "Undo", "Ctrl Z", () => this.undo());
    this.redoButton = iconButton("redo", "Redo", "Ctrl Shift Z", () => this.redo());
    this.zoomText = h("output", { class: "lp-zoom", "aria-label": "Zoom" }, "100%");
    this.keysDialog = keysDialog();
    const bar = h("span", { class: "lp-bar", "aria-hidden": "true" });
    const toolbar = h(
      "div", { class: "lp-tools", role: "group", "aria-label": "Tools" },
      ...this.toolButtons, bar,
      this.undoButton, this.redoButton,
      iconButton("clear", "Clear", "Delete", () => this.clear()),
      iconButton("load", "Open a layout", "L", () => this.exchange.openFile()),
      bar.cloneNode(),
      iconButton("zoomOut", "Zoom out", "-", () => this.view.zoomBy(1 / 1.5)),
      this.zoomText,
      iconButton("zoomIn", "Zoom in", "+", () => this.view.zoomBy(1.5)),
      iconButton("fit", "Fit", "F", () => this.view.fit()),
      bar.cloneNode(),
      iconButton("keys", "Keys", "?", () => this.keysDialog.showModal()),
    );

    this.sizeInput = h("input", {
      type: "range", min: 1, max: 200, "aria-label": "Brush size in pixels",
      oninput: () => this.setSize(Number(this.sizeInput.value)),
    });
    this.sizeText = h("output", {});
    this.underlayInput = h(
      "select", { "aria-label": "Underlay", onchange: () => this.setUnderlay(this.underlayInput.value) },
      h("option", { value: "none" }, "nothing"), h("option", { value: "photograph" }, "the photograph"),
      this.pictureOption = h("option", { value: "picture", hidden: true }),
      h("option", { value: "load" }, "a picture…"),
    );
    this.pictureInput = h("input", {
      type: "file", accept: "image/*", hidden: true, "aria-label": "Your picture, to trace",
      onchange: () => this.loadUnderlay(this.pictureInput.files[0]),
    });
    this.opacityInput = h("input", {
      type: "range", min: 0, max: 100, value: 60, "aria-label": "Opacity of the layout in percent",
      oninput: () => this.setOpacity(Number(this.opacityInput.value)),
    });
    this.canvasSizeInput = h("select", {
      "aria-label": "Size of the layout", onchange: () => this.resize(this.canvasSizeInput.value),
    });
    const options = h(
      "div", { class: "lp-options" },
      h("label", { class: "lp-grow" }, h("span", { class: "lp-label" }, "Brush"), this.sizeInput, this.sizeText),
      h("label", {}, h("span", { class: "lp-label" }, "Layout"), this.canvasSizeInput),
      h("label", {}, h("span", { class: "lp-label" }, "Beneath"), this.underlayInput),
      this.pictureInput,
      this.opacityLabel = h("label", { class: "lp-grow", hidden: true },
        h("span", { class: "lp-label" }, "Opacity"), this.opacityInput),
    );

    this.liveInput = h("input", { type: "checkbox", onchange: () => this.setLive(this.liveInput.checked) });
    this.status = h("div", { class: "lp-status", role: "status" });
    const runRow = h(
      "div", { class: "lp-run" },
      h("button", { type: "button", class: "lp-button lp-primary", onclick: () => this.exchange.render() }, "Generate"),
      h("label", { class: "lp-check" }, this.liveInput, "Live"),
      this.status,
    );

    this.chips = new ClassChips((id) => this.useClass(id));
    this.outputs = new Outputs((output) => this.useOutput(output), (scope) => this.useScope(scope));
    const saves = h(
      "div", { class: "lp-saves" },
      h("span", { class: "lp-label" }, "Save"),
      ...[["photograph", "Photograph"], ["colours", "Layout in colours"], ["ids", "Layout of ids"]].map(([kind, label]) =>
        h("button", { type: "button", class: "lp-button", "data-save": kind, onclick: () => this.exchange.save(kind) }, label)),
      h("button", { type: "button", class: "lp-button", "data-save": "link", onclick: () => this.memory.copyLink() }, "Copy a link"),
    );
    this.notes = h("ul", { class: "lp-notes", "aria-label": "Notes" });
    this.root = h(
      "section", { class: "lp", "aria-label": "Painter" },
      toolbar, this.chips.node, this.canvasPane, this.photographPane, options, runRow,
      h("div", { class: "lp-side" }, this.notes, this.outputs.node, saves), this.keysDialog,
    );
    this.root.painter = this;
    element.replaceChildren(this.root);
  }

  // -- a model, its classes -------------------------------------------------------------------------

  setModel({ name, classes, unlabelled_color, num_images, size }) {
    const className = this.rows && this.nameOf(this.classId);
    this.model = name;
    this.classes = classes.map(({ name, color }, id) => ({ id, name, color }));
    this.rows = [...this.classes, { id: UNLABELLED, name: "unlabelled", color: unlabelled_color }];
    this.modelSize = size;
    this.chips.set(this.rows);
    this.view.setColors(classes.map(({ color }) => color), unlabelled_color);
    this.numImages = num_images;
    this.output = 0;
    this.scope = "all";
    this.outputs.setCount(num_images);
    this.toolButtons.at(-1).hidden = num_images < 2;
    this.history = new History();
    this.storageKey = "crn_hub/" + JSON.stringify(classes.map(({ name }) => name));
    this.useClass(this.rows.find((row) => row.name === className)?.id ?? 0);
    if (this.toolId === "mix") this.useTool("brush");
    if (this.toolBefore === "mix") this.toolBefore = "brush";
    this.showOutputs();
  }

  nameOf(id) {
    return this.rows.find((row) => row.id === id)?.name ?? String(id);
  }

  useClass(id) {
    this.classId = id;
    this.chips.show(id);
    this.showOutputs();
    this.view.layout && this.view.refresh();
    this.memory.keep();
  }

  stepClass(step) {
    const at = this.rows.findIndex((row) => row.id === this.classId);
    this.useClass(this.rows[(at + step + this.rows.length) % this.rows.length].id);
  }

  pick(point) {
    const x = Math.floor(point.x), y = Math.floor(point.y);
    if (this.layout.contains(x, y)) this.useClass(this.layout.ids[y * this.layout.width + x]);
  }

  // -- tools ----------------------------------------------------------------------------------------

  useTool(id) {
    if (this.tool) this.giveUp();
    if (this.toolId !== id) {
      this.tools[this.toolId]?.cancel?.();
      this.toolBefore = this.toolId;
    }
    this.toolId = id;
    press(this.toolButtons, this.toolButtons.find((button) => button.dataset.tool === id));
    this.overlay.dataset.tool = id;
    if (id === "mix" && this.scope === "all") this.useScope("class");
    if (this.layout) {
      this.showOutputs();
      this.view.refresh();
      this.memory.keep();
    }
  }

  useToolBefore() {
    this.useTool(this.toolBefore ?? "brush");
  }

  setSize(size) {
    this.size = Math.min(200, Math.max(1, Math.round(size)));
    this.sizeInput.value = this.size;
    this.sizeText.textContent = this.size + " px";
    if (this.layout) this.view.refresh();
    this.memory.keep();
  }

  /* What tools call after painting inside `box`; null where nothing was painted. */
  touched(box) {
    if (box) this.view.repaint(box);
  }

  begin() {
    this.before ??= new Layout(1, 1);
    if (this.before.buffer.length !== this.layout.buffer.length || this.before.width !== this.layout.width) {
      this.before = new Layout(this.layout.width, this.layout.height);
    }
    this.before.buffer.set(this.layout.buffer);
    this.before.choiceOfClass.set(this.layout.choiceOfClass);
  }

  commit() {
    if (this.history.record(this.before, this.layout)) this.changed();
  }

  giveUp() {
    const { tool } = this;
    this.tool = null;
    if (tool.giveUp) tool.giveUp();
    else tool.cancel?.();
    this.layout.buffer.set(this.before.buffer);
    this.layout.choiceOfClass.set(this.before.choiceOfClass);
    this.view.repaint(this.layout.box);
    this.exchange.renderIfAsked();
  }

  startTool(point, event) {
    const turned = event.button === PEN_ERASER;
    this.tool = event.altKey ? this.tools.pick : turned ? this.tools.erase : this.tools[this.toolId];
    this.begin();
    this.tool.press(point, event);
    this.view.refresh();
  }

  moveTool(points, event) {
    this.tool.move?.(points, event);
    this.view.refresh();
  }

  endTool() {
    const tool = this.tool;
    this.tool = null;
    if (tool === this.tools.pick && this.toolId !== "pick") return; // with Alt the tool stays
    tool.release?.();
    this.commit();
    this.exchange.renderIfAsked();
    this.view.refresh();
  }

  // -- changes of the layout ------------------------------------------------------------------------

  /* After every change: the photograph is out of date, the copy in the browser too. */
  changed() {
    this.memory.dontWait();
    this.revision++;
    this.root.dataset.revision = this.revision;
    this.showHistory();
    this.memory.keep();
    this.memory.forgetLink();
    if (this.live) this.exchange.render();
    else this.setState("stale");
  }

  showHistory() {
    this.undoButton.disabled = !this.history.canUndo;
    this.redoButton.disabled = !this.history.canRedo;
  }

  undo() {
    if (this.tools.polygon.isOpen) {
      this.tools.polygon.back();
      this.view.refresh();
      return;
    }
    this.step(this.history.canUndo, () => this.history.undo(this.layout));
  }

  redo() {
    this.step(this.history.canRedo, () => this.history.redo(this.layout));
  }

  step(possible, go) {
    if (this.tool || !possible) return;
    this.setLayout(go());
    this.changed();
  }

  clear() {
    if (this.tool) return;
    this.begin();
    this.touched(this.layout.rectangle(this.layout.box, UNLABELLED));
    this.commit();
  }

  setLayout(layout) {
    this.layout = layout;
    this.tools.brush.before = this.tools.erase.before = null;
    this.tools.polygon.cancel();
    const ratio = layout.width / layout.height;
    this.root.style.setProperty("--lp-ratio", ratio);
    this.view.show(layout);
    this.showCanvasSizes();
    if (this.scope === "all") this.output = layout.onlyChoice;
    this.showOutputs();
  }

  /* A layout from elsewhere, as a step that can be undone. */
  replaceLayout(layout) {
    if (this.tool) this.giveUp();
    this.begin();
    const before = this.before;
    this.before = null;
    this.setLayout(layout);
    this.history.record(before, layout);
  }

  showCanvasSizes() {
    const [height, width] = this.modelSize;
    const sizes = [];
    for (let scale = 1; scale === 1 || (width * scale <= 2048 && height * scale <= 1024); scale *= 2) {
      sizes.push([width * scale, height * scale].join("x"));
    }
    const now = this.layout.width + "x" + this.layout.height;
    if (!sizes.includes(now)) sizes.push(now);
    this.canvasSizeInput.replaceChildren(
      ...sizes.map((size) => h("option", { value: size, selected: size === now }, size.replace("x", " × "))),
    );
  }

  nextCanvasSize() {
    const { options, selectedIndex } = this.canvasSizeInput;
    this.resize(options[(selectedIndex + 1) % options.length].value);
  }

  resize(size) {
    if (this.tool) this.giveUp();
    const [width, height] = size.split("x").map(Number);
    this.replaceLayout(this.layout.resized(width, height));
    this.changed();
  }

  // -- underlay -------------------------------------------------------------------------------------

  setUnderlay(kind) {
    if (kind === "load") {
      this.underlayInput.value = this.underlayKind; // until the picture is there
      this.pictureInput.click();
      return;
    }
    this.underlayKind = kind;
    this.underlayInput.value = kind;
    this.opacityLabel.hidden = kind === "none";
    this.showUnderlay();
    this.memory.keep();
  }

  showUnderlay() {
    const photograph = this.image.complete && this.image.naturalWidth ? this.image : null;
    this.view.underlay = { none: null, photograph, picture: this.picture }[this.underlayKind];
    if (this.layout) this.view.refresh();
  }

  /* The picture stays in the browser. */
  async loadUnderlay(file) {
    this.pictureInput.value = "";
    if (!file) return;
    try {
      this.picture = await createImageBitmap(file);
    } catch {
      this.say(file.name + ": not a picture that this browser can read.", true);
      return;
    }
    this.pictureOption.textContent = file.name;
    this.pictureOption.hidden = false;
    this.setUnderlay("picture");
  }

  setOpacity(percent) {
    this.opacityInput.value = percent;
    this.view.opacity = Math.round(percent) / 100;
    if (this.layout) this.view.refresh();
    this.memory.keep();
  }

  // -- outputs --------------------------------------------------------------------------------------

  useOutput(output) {
    if (this.tool) return;
    this.output = output;
    this.begin();
    if (this.scope === "all") this.layout.chooseForAll(output);
    else if (this.scope === "class") this.layout.chooseForClass(this.classId, output);
    this.commitChoice();
    this.showOutputs();
    this.memory.keep();
  }

  /* The photograph shows what was chosen, live or not. */
  commitChoice() {
    this.commit();
    if (!this.live && this.shown !== this.revision) this.exchange.render();
  }

  useScope(scope) {
    this.scope = scope;
    this.output ??= 0;
    if (this.toolId === "mix" && scope === "all") this.useToolBefore();
    this.showOutputs();
    this.memory.keep();
  }

  nextScope() {
    const scopes = ["all", "class", "region"];
    this.useScope(scopes[(scopes.indexOf(this.scope) + 1) % scopes.length]);
  }

  showOutputs() {
    if (this.numImages > 1) this.outputs.show(this.output, this.scope, this.nameOf(this.classId));
    this.photographPane.classList.toggle("lp-mixes", this.numImages > 1 && this.scope !== "all");
  }

  /* A click on the photograph is one of the tool "mix" on the layout. */
  mixAt(event) {
    if (this.numImages < 2 || this.scope === "all" || this.tool) return;
    this.begin();
    this.tools.mix.press(this.view.toLayout(event, this.photographPane));
    this.commitChoice();
  }

  // -- page and Python ------------------------------------------------------------------------------

  setLive(live) {
    this.live = this.liveInput.checked = live;
    this.memory.keep();
    if (live && this.shown !== this.revision) this.exchange.render();
  }

  showNotes(notes) {
    this.notes.replaceChildren(...notes.map((note) => h("li", {}, note)));
  }

  setState(state) {
    this.photographPane.dataset.state = state;
    this.photographPane.setAttribute("aria-busy", String(state === "busy"));
  }

  say(text, isError = false) {
    this.status.textContent = text;
    this.status.classList.toggle("lp-error", isError);
  }

  // -- the cursor -----------------------------------------------------------------------------------

  drawCursor(context) {
    const tool = this.tool ?? this.tools[this.toolId];
    const shape = tool.shape?.();
    if (shape) this.view.outline(context, shape);
    const at = this.keys.at ? this.keys.point : this.cursor;
    if (!at) return;
    const path = new Path2D();
    if (tool instanceof Brush) path.arc(at.x, at.y, Math.max(1, this.size) / 2, 0, 2 * Math.PI);
    if (this.keys.at) {
      const reach = 9 / this.view.scale;
      path.moveTo(at.x - reach, at.y);
      path.lineTo(at.x + reach, at.y);
      path.moveTo(at.x, at.y - reach);
      path.lineTo(at.x, at.y + reach);
    }
    this.view.outline(context, path);
  }

  // -- the start ------------------------------------------------------------------------------------

  async start() {
    await this.exchange.apply(props.result);
    watch(["result", "download"], () => this.exchange.receive());
    if (!this.memory.reopenModel()) await this.memory.restore();
    this.root.dataset.ready = "1";
  }
}

new Painter().start();
