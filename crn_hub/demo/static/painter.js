/* The painter: layout and photograph side by side. The ids in `layout` are the truth; everything else shows them.

   Runs as the body of Gradio's js_on_load, after the other files of this folder, with `element`, `props`, `trigger`
   and `watch`. Page to Python: the event "generate" or "save" with the painting as the value. Python to page:
   `result`, all of it at once since Gradio brings properties one by one, and `download`; see painter.py. */

const PEN_ERASER = 5; // the button of a pen's other end
const PALM = 1000; // milliseconds after the pen in which a touch is the hand that holds it
const SLOW = 15_000; // milliseconds without an answer after which one says so

class Painter {
  constructor() {
    this.revision = 0; // of the layout; the photograph has that of the layout it was made of
    this.shown = -1;
    this.valueRevision = 0;
    this.changedAt = new Map(); // revision -> when
    this.size = 24;
    this.classId = 0;
    this.live = true;
    this.output = 0;
    this.scope = "all";
    this.underlayKind = "none";
    this.pointers = new Map();
    this.penAt = -Infinity;
    this.history = new History();
    this.build();
    this.tools = Object.fromEntries(TOOLS.map((tool) => [tool.id, tool.make(this)]));
    this.useTool("brush");
    this.listen();
  }

  // -- the parts ------------------------------------------------------------------------------------

  build() {
    const base = h("canvas", { class: "lp-base", "aria-hidden": "true" });
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
    this.keys = keysDialog();
    const bar = h("span", { class: "lp-bar", "aria-hidden": "true" });
    const toolbar = h(
      "div", { class: "lp-tools", role: "toolbar", "aria-label": "Tools" },
      ...this.toolButtons, bar,
      this.undoButton, this.redoButton,
      iconButton("clear", "Clear", "Delete", () => this.clear()),
      iconButton("load", "Open a layout", "L", () => this.openFile()),
      bar.cloneNode(),
      iconButton("zoomOut", "Zoom out", "-", () => this.view.zoomBy(1 / 1.5)),
      this.zoomText,
      iconButton("zoomIn", "Zoom in", "+", () => this.view.zoomBy(1.5)),
      iconButton("fit", "Fit", "F", () => this.view.fit()),
      bar.cloneNode(),
      iconButton("keys", "Keys", "?", () => this.keys.showModal()),
    );

    this.sizeInput = h("input", {
      type: "range", min: 1, max: 200, "aria-label": "Brush size in pixels",
      oninput: () => this.setSize(Number(this.sizeInput.value)),
    });
    this.sizeText = h("output", {});
    this.underlayInput = h(
      "select", { "aria-label": "Underlay", onchange: () => this.setUnderlay(this.underlayInput.value) },
      h("option", { value: "none" }, "nothing"), h("option", { value: "photograph" }, "the photograph"),
      h("option", { value: "picture" }, "your picture…"),
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
      h("button", { type: "button", class: "lp-button lp-primary", onclick: () => this.render() }, "Generate"),
      h("label", { class: "lp-check" }, this.liveInput, "Live"),
      this.status,
    );

    this.chips = new ClassChips((id) => this.useClass(id));
    this.outputs = new Outputs((output) => this.useOutput(output), (scope) => this.useScope(scope));
    const saves = h(
      "div", { class: "lp-saves" },
      h("span", { class: "lp-label" }, "Save"),
      ...[["photograph", "Photograph"], ["colours", "Layout in colours"], ["ids", "Layout of ids"]].map(([kind, label]) =>
        h("button", { type: "button", class: "lp-button", "data-save": kind, onclick: () => this.save(kind) }, label)),
      h("button", { type: "button", class: "lp-button", "data-save": "link", onclick: () => this.copyLink() }, "Copy a link"),
    );
    this.notes = h("ul", { class: "lp-notes", "aria-label": "How the file was read" });
    this.root = h(
      "section", { class: "lp", "aria-label": "Painter" },
      toolbar, this.chips.node, this.canvasPane, this.photographPane, options, runRow,
      h("div", { class: "lp-side" }, this.notes, this.outputs.node, saves), this.keys,
    );
    this.root.painter = this;
    element.replaceChildren(this.root);
  }

  // -- a model, its classes -------------------------------------------------------------------------

  setModel({ classes, unlabelled_color, num_images, size }) {
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
    this.useClass(Math.min(this.classId, this.classes.length - 1));
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
    this.keep();
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
    if (id === "mix" && this.scope === "all") this.scope = "class";
    if (this.layout) {
      this.showOutputs();
      this.view.refresh();
      this.keep();
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
    this.keep();
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
    this.tool?.cancel?.();
    this.tool = null;
    this.layout.buffer.set(this.before.buffer);
    this.view.repaint(this.layout.box);
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

  endTool(point, event) {
    const tool = this.tool;
    this.tool = null;
    if (tool === this.tools.pick && this.toolId !== "pick") return; // with Alt the tool stays
    tool.release?.(point, event);
    this.commit();
    this.view.refresh();
  }

  // -- changes of the layout ------------------------------------------------------------------------

  /* After every change: the photograph is out of date, the copy in the browser too. */
  changed() {
    this.revision++;
    this.changedAt.set(this.revision, performance.now());
    this.root.dataset.revision = this.revision;
    this.showHistory();
    this.keep();
    if (location.hash.startsWith("#layout=")) history.replaceState(null, "", location.pathname + location.search);
    if (this.live) this.render();
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
    this.layout.ids.fill(UNLABELLED);
    this.view.repaint(this.layout.box);
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
  }

  /* A layout from elsewhere, as a step that can be undone. */
  replaceLayout(layout) {
    if (this.tool) this.giveUp();
    this.begin();
    const before = this.before;
    this.before = null;
    this.setLayout(layout);
    if (this.history.record(before, layout)) this.showHistory();
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
    if (kind === "picture" && !this.picture) {
      this.underlayInput.value = this.underlayKind; // until there is a picture
      this.pictureInput.click();
      return;
    }
    this.underlayKind = kind;
    this.underlayInput.value = kind;
    this.opacityLabel.hidden = kind === "none";
    this.showUnderlay();
    this.keep();
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
    this.underlayInput.options[2].textContent = file.name;
    this.setUnderlay("picture");
  }

  setOpacity(percent) {
    this.opacityInput.value = percent;
    this.view.opacity = Math.round(percent) / 100;
    if (this.layout) this.view.refresh();
    this.keep();
  }

  // -- outputs --------------------------------------------------------------------------------------

  useOutput(output) {
    if (this.tool) return;
    this.output = output;
    this.begin();
    if (this.scope === "all") this.layout.chooseForAll(output);
    else if (this.scope === "class") this.layout.chooseForClass(this.classId, output);
    this.commit();
    this.showOutputs();
  }

  useScope(scope) {
    this.scope = scope;
    if (this.toolId === "mix" && scope === "all") this.useToolBefore();
    this.showOutputs();
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
    this.commit();
  }

  // -- page and Python ------------------------------------------------------------------------------

  setLive(live) {
    this.live = this.liveInput.checked = live;
    this.keep();
    if (live && this.shown !== this.revision) this.render();
  }

  render() {
    this.renderAgain = true;
    this.setState("busy");
    clearTimeout(this.slowly);
    this.slowly = setTimeout(() => this.say("Still waiting for the server…"), SLOW);
    this.sending ??= this.sendRenders();
  }

  /* One after the other; of changes that come meanwhile only the last counts. */
  async sendRenders() {
    while (this.renderAgain) {
      this.renderAgain = false;
      const { revision } = this;
      const text = await this.asText();
      if (this.renderAgain && revision !== this.revision) continue;
      this.send(revision, text, "generate");
    }
    this.sending = null;
  }

  /* The layout as text, packed once for each revision. */
  asText() {
    if (this.packed?.revision !== this.revision) {
      this.packed = { revision: this.revision, text: encodePainting(this.layout) };
    }
    return this.packed.text;
  }

  send(revision, text, event, data = {}) {
    this.setValue(revision, text);
    trigger(event, data);
  }

  /* The revision is a part of the value: of events that had to wait, Gradio runs the last with newer values, but with
     older data. An older painting never takes the place of a newer one. */
  setValue(revision, text) {
    if (revision < this.valueRevision) return;
    this.valueRevision = revision;
    props.value = revision + " " + text;
  }

  async save(kind) {
    await this.sending;
    const { revision } = this;
    this.send(revision, await this.asText(), "save", { kind });
  }

  async receive() {
    const { result, download } = props;
    if (download && download.number !== this.downloads) {
      this.downloads = download.number;
      const root = window.gradio_config?.root ?? "";
      const file = root + "/gradio_api/file=" + encodeURI(download.path);
      h("a", { href: file, download: download.name }).click();
    }
    if (result.number !== this.received) await this.apply(result);
  }

  /* What Python has to show: the photograph of a revision; or a painting with its photograph, perhaps of another model,
     with which all starts anew. */
  async apply(result) {
    this.received = result.number;
    if (!result.painting) return this.showPhotograph(result, result.revision);
    if (result.model) this.setModel(result.model);
    const layout = await decodePainting(result.painting, props.max_pixels);
    if (result.model) this.setLayout(layout);
    else this.replaceLayout(layout);
    this.showHistory();
    if (this.shown >= 0) this.revision++; // the page opens with revision 0
    this.root.dataset.revision = this.revision;
    if (this.revision > 0) this.keep();
    await this.showPhotograph(result, this.revision);
  }

  async showPhotograph(result, revision) {
    if (revision === this.revision) clearTimeout(this.slowly);
    if (result.error) {
      if (revision < this.revision) return; // there will be word of a newer one
      this.say(result.error, true);
      this.setState("stale");
      return;
    }
    const next = new Image();
    next.src = result.image;
    await next.decode();
    if (revision < this.shown) return;
    this.image.src = result.image;
    await this.image.decode().catch(() => {}); // replaced by a newer one
    this.shown = revision;
    this.root.dataset.shown = revision;
    this.outputs.setPictures(result.strip);
    if (this.underlayKind === "photograph") this.showUnderlay();
    const started = this.changedAt.get(revision);
    for (const known of this.changedAt.keys()) if (known <= revision) this.changedAt.delete(known);
    this.sayDone(result, started === undefined ? null : performance.now() - started);
    if (revision === this.revision) this.setState("ready");
  }

  sayDone({ what, network, notes }, total) {
    const { width, height } = this.layout;
    const parts = [what, width + " × " + height + " pixels"].filter(Boolean);
    if (network != null) parts.push("network " + Math.round(network) + " ms");
    if (total != null) parts.push("total " + Math.round(total) + " ms");
    this.root.dataset.network = network ?? "";
    this.root.dataset.total = total ?? "";
    this.say(parts.join(" · "));
    if (notes) this.notes.replaceChildren(...notes.map((note) => h("li", {}, note)));
  }

  setState(state) {
    this.photographPane.dataset.state = state;
    this.photographPane.setAttribute("aria-busy", String(state === "busy"));
  }

  say(text, isError = false) {
    this.status.textContent = text;
    this.status.classList.toggle("lp-error", isError);
  }

  openFile() {
    document.querySelector(props.file_input)?.click();
  }

  dropFile(file) {
    const input = document.querySelector(props.file_input);
    if (!input || !file) return;
    const carrier = new DataTransfer();
    carrier.items.add(file);
    input.files = carrier.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // -- links, and what the browser keeps ------------------------------------------------------------

  async copyLink() {
    history.replaceState(null, "", "#layout=" + (await this.asText()));
    try {
      await navigator.clipboard.writeText(location.href);
      this.say("The link is copied, and in the address bar: " + location.href.length.toLocaleString() + " characters.");
    } catch {
      const link = h("a", { href: location.href, target: "_blank" }, "this address");
      this.status.replaceChildren("The link is ", link, ".");
    }
  }

  /* The painting of a text, if this model can show it. */
  async understood(text) {
    const layout = await decodePainting(text, props.max_pixels);
    const count = this.classes.length;
    if (layout.ids.some((id) => id >= count && id !== UNLABELLED)) throw new Error("It is for a model of other classes.");
    if (layout.choice.some((image) => image >= this.numImages)) layout.choice.fill(0);
    layout.learnChoices();
    return layout;
  }

  async openLink() {
    if (!location.hash.startsWith("#layout=")) return false;
    try {
      this.replaceLayout(await this.understood(location.hash.slice("#layout=".length)));
    } catch (error) {
      this.say("The layout of this link can't be shown. " + error.message, true);
      return false;
    }
    this.changedWithLink();
    return true;
  }

  /* As `changed`, but the address stays. */
  changedWithLink() {
    const { href } = location;
    this.changed();
    history.replaceState(null, "", href);
    if (!this.live) this.render();
  }

  /* What a reload needs, kept in the browser at once: what it waits for is lost when the page goes. */
  keep() {
    if (!this.layout) return;
    this.keepAgain = true;
    this.keeping ??= this.keepAll();
  }

  async keepAll() {
    while (this.keepAgain) {
      this.keepAgain = false;
      await this.keepNow();
    }
    this.keeping = null;
  }

  async keepNow() {
    const { toolId, size, classId, live, underlayKind, output, scope } = this;
    const state = { tool: toolId, size, classId, live, output, scope, opacity: Number(this.opacityInput.value) };
    if (underlayKind !== "picture") state.underlay = underlayKind;
    try {
      // Nothing is kept of a page on which nobody has painted: it opens as it is meant to.
      const { revision } = this;
      if (revision > 0) {
        state.painting = await this.asText();
        this.setValue(revision, state.painting); // for a change of model
      }
      localStorage.setItem(this.storageKey, JSON.stringify(state));
    } catch {
      // Storage is full or forbidden: the page works without.
    }
  }

  async restore() {
    let state;
    try {
      state = JSON.parse(localStorage.getItem(this.storageKey) ?? "{}") ?? {};
    } catch {
      state = {};
    }
    if (TOOLS.some((tool) => tool.id === state.tool)) this.useTool(state.tool);
    this.setSize(Number(state.size) || this.size);
    if (this.rows.some((row) => row.id === state.classId)) this.useClass(state.classId);
    this.setOpacity(Number.isFinite(state.opacity) ? state.opacity : 60);
    this.live = this.liveInput.checked = state.live !== false;
    if (state.underlay === "photograph") this.setUnderlay("photograph");
    if (["class", "region"].includes(state.scope) && this.numImages > 1) this.scope = state.scope;
    if (Number.isInteger(state.output) && state.output >= 0 && state.output < this.numImages) this.output = state.output;
    this.showOutputs();
    if (await this.openLink()) return;
    if (!state.painting) return;
    try {
      this.setLayout(await this.understood(state.painting));
    } catch {
      return; // of an older page
    }
    this.changed();
    if (!this.live) this.render(); // the photograph on the page is of another layout
  }

  // -- pointers and keys ----------------------------------------------------------------------------

  listen() {
    const { overlay } = this;
    overlay.addEventListener("pointerdown", (event) => this.onDown(event));
    overlay.addEventListener("pointermove", (event) => this.onMove(event));
    overlay.addEventListener("pointerup", (event) => this.onUp(event));
    overlay.addEventListener("pointercancel", (event) => this.onCancel(event));
    overlay.addEventListener("pointerleave", () => { this.cursor = null; this.view.refresh(); });
    overlay.addEventListener("contextmenu", (event) => event.preventDefault());
    overlay.addEventListener("keydown", (event) => this.onCursorKey(event));
    overlay.addEventListener("blur", () => {
      if (this.byKeys && this.tool) this.giveUp();
      this.byKeys = null;
      this.view.refresh();
    });
    overlay.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      this.view.zoomBy(Math.exp(-event.deltaY / 300), this.view.toLayout(event));
    }, { passive: false });
    this.photographPane.addEventListener("click", (event) => this.mixAt(event));
    for (const pane of [this.canvasPane, this.photographPane]) {
      pane.addEventListener("dragover", (event) => event.preventDefault());
      pane.addEventListener("drop", (event) => {
        event.preventDefault();
        this.dropFile(event.dataTransfer.files[0]);
      });
    }
    this.onDocumentKey = (event) => {
      if (!this.root.isConnected) document.removeEventListener("keydown", this.onDocumentKey);
      else this.onKey(event);
    };
    document.addEventListener("keydown", this.onDocumentKey);
    document.addEventListener("keyup", (event) => { if (event.key === " ") this.spaceDown = false; });
    addEventListener("hashchange", () => this.openLink());
  }

  onDown(event) {
    if (event.pointerType === "touch" && event.timeStamp - this.penAt < PALM) return;
    if (event.pointerType === "pen" && this.pointers.size) {
      if (this.tool) this.giveUp(); // the hand was there first
      this.pinch = null;
      this.pointers.clear();
    }
    this.overlay.setPointerCapture(event.pointerId);
    this.overlay.focus({ preventScroll: true });
    this.byKeys = null;
    this.pointers.set(event.pointerId, event);
    if (event.pointerType === "touch" && this.pointers.size === 2) {
      if (this.tool) this.giveUp();
      this.pinch = this.pinchNow();
      return;
    }
    if (this.pinch || this.tool) return;
    const point = this.view.toLayout(event);
    if (event.button === 1 || this.spaceDown) {
      event.preventDefault();
      this.panning = point;
    } else if (event.button === 0 || event.button === PEN_ERASER) {
      this.startTool(point, event);
    }
    this.cursor = point;
  }

  onMove(event) {
    if (event.pointerType === "pen") this.penAt = event.timeStamp;
    const point = this.view.toLayout(event);
    this.cursor = event.pointerType === "touch" ? null : point;
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, event);
    if (this.pinch) this.movePinch();
    else if (this.panning) {
      const { left, top } = this.view;
      this.view.moveTo(left + this.panning.x - point.x, top + this.panning.y - point.y);
    } else if (this.tool && this.pointers.has(event.pointerId)) {
      const events = event.getCoalescedEvents?.() ?? [];
      this.moveTool((events.length ? events : [event]).map((one) => this.view.toLayout(one)), event);
    } else {
      this.tools[this.toolId].hover?.(point);
      this.view.refresh();
    }
  }

  onUp(event) {
    if (event.pointerType === "pen") this.penAt = event.timeStamp;
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pinch) {
      if (!this.pointers.size) this.pinch = null;
    } else if (this.panning) {
      this.panning = null;
    } else if (this.tool) {
      this.endTool(this.view.toLayout(event), event);
    }
  }

  onCancel(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.pinch = null;
    this.panning = null;
    if (this.tool) this.giveUp();
  }

  pinchNow() {
    const [a, b] = [...this.pointers.values()];
    return {
      span: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
      at: this.view.toLayout({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }),
    };
  }

  movePinch() {
    if (this.pointers.size < 2) return;
    const now = this.pinchNow();
    this.view.moveTo(this.view.left + this.pinch.at.x - now.at.x, this.view.top + this.pinch.at.y - now.at.y);
    this.view.zoomBy(now.span / Math.max(1, this.pinch.span), this.pinch.at);
    this.pinch.span = now.span;
  }

  /* Painting without a pointer: arrows move a cursor, Space presses and releases. */
  onCursorKey(event) {
    const step = event.shiftKey ? 10 : 1;
    const way = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (way && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const { x, y } = this.byKeys ?? { x: Math.floor(this.view.center.x), y: Math.floor(this.view.center.y) };
      const within = (value, most) => Math.min(most - 1, Math.max(0, value));
      this.byKeys = this.byKeys
        ? { x: within(x + way[0], this.layout.width), y: within(y + way[1], this.layout.height) }
        : { x, y };
      this.cursor = null;
      if (this.tool) this.moveTool([this.keyPoint()], { shiftKey: false }); // here Shift means ten at once
      this.view.refresh();
      const id = this.layout.ids[this.byKeys.y * this.layout.width + this.byKeys.x];
      this.say(this.byKeys.x + ", " + this.byKeys.y + " · " + this.nameOf(id));
    } else if (event.key === " " && this.byKeys && !event.repeat) {
      if (this.tool) this.endTool(this.keyPoint(), event);
      else this.startTool(this.keyPoint(), event);
      if (this.tool && !this.tool.move) this.endTool(this.keyPoint(), event); // nothing to drag
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  keyPoint() {
    return { x: this.byKeys.x + 0.5, y: this.byKeys.y + 0.5 };
  }

  onKey(event) {
    if (this.keys.open || event.defaultPrevented || !this.layout) return;
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
    if (key === "z") return () => (event.shiftKey ? this.redo() : this.undo());
    if (key === "y") return () => this.redo();
    return null;
  }

  actionFor(key, event) {
    const polygon = this.tools.polygon;
    const onControl = event.target.closest?.("button, a, [role=button], input, summary, label");
    if (polygon.isOpen && ["Enter", "Escape", "Backspace"].includes(key)) {
      return () => {
        this.begin();
        ({ Enter: () => polygon.close(), Escape: () => polygon.cancel(), Backspace: () => polygon.back() })[key]();
        this.commit();
        this.view.refresh();
      };
    }
    if (key === "Escape" && this.tool) return () => this.giveUp();
    if (key === "Enter") return onControl ? null : () => this.render(); // Enter on a button presses that
    if (key === " ") {
      if (onControl) return null;
      this.spaceDown = true;
      return () => {};
    }
    if (key === "s") {
      const kind = event.altKey ? "ids" : event.shiftKey ? "colours" : "photograph";
      return () => this.save(kind);
    }
    if (event.altKey && !event.getModifierState("AltGraph")) return null;
    if (event.shiftKey && /^Digit[1-9]$/.test(event.code)) {
      const output = Number(event.code.at(-1)) - 1;
      return output < this.numImages && this.numImages > 1 ? () => this.useOutput(output) : null;
    }
    const tool = TOOLS.find((one) => one.key === key);
    if (tool) return tool.id === "mix" && this.numImages < 2 ? null : () => this.useTool(tool.id);
    if (/^[0-9]$/.test(key)) {
      const id = (Number(key) + 9) % 10;
      return id < this.classes.length ? () => this.useClass(id) : null;
    }
    const kinds = ["none", "photograph", ...(this.picture ? ["picture"] : [])];
    return {
      ",": () => this.stepClass(-1), ".": () => this.stepClass(1),
      "[": () => this.setSize(this.size - 1), "]": () => this.setSize(this.size + 1),
      "{": () => this.setSize(this.size - 10), "}": () => this.setSize(this.size + 10),
      z: () => this.undo(), y: () => this.redo(), Delete: () => this.clear(),
      "+": () => this.view.zoomBy(1.5), "=": () => this.view.zoomBy(1.5), "-": () => this.view.zoomBy(1 / 1.5),
      f: () => this.view.fit(), v: () => this.setLive(!this.live), l: () => this.openFile(), k: () => this.copyLink(),
      "<": () => this.setOpacity(Math.max(0, this.view.opacity * 100 - 10)),
      ">": () => this.setOpacity(Math.min(100, this.view.opacity * 100 + 10)),
      w: () => this.nextCanvasSize(), x: () => { if (this.numImages > 1) this.nextScope(); },
      u: () => this.setUnderlay(kinds[(kinds.indexOf(this.underlayKind) + 1) % kinds.length]),
      "?": () => this.keys.showModal(), "/": () => { if (!this.chips.search.hidden) this.chips.search.focus(); },
    }[key] ?? null;
  }

  // -- the cursor -----------------------------------------------------------------------------------

  drawCursor(context) {
    const tool = this.tool ?? this.tools[this.toolId];
    const shape = tool.shape?.();
    if (shape) this.view.outline(context, shape);
    const at = this.byKeys ? this.keyPoint() : this.cursor;
    if (!at) return;
    const path = new Path2D();
    if (tool instanceof Brush) path.arc(at.x, at.y, Math.max(1, this.size) / 2, 0, 2 * Math.PI);
    if (this.byKeys) {
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
    await this.apply(props.result);
    await this.restore();
    watch(["result", "download"], () => this.receive());
    this.root.dataset.ready = "1";
  }
}

new Painter().start();
