/* The painter: layout and photograph side by side. The Painter owns the layout, its history and the stroke in
   progress, and the choice of tool, class and brush size; its helpers own the rest. The ids in `layout` are the truth;
   everything else shows them. */

import { ClassChips } from "./class_chips.js";
import { Colors } from "./colors.js";
import { drawCursor } from "./cursor.js";
import { Details } from "./details.js";
import { h, nameButton, press } from "./dom.js";
import { Exchange } from "./exchange.js";
import { History } from "./history.js";
import { Keys } from "./keys.js";
import { UNLABELLED } from "./layout.js";
import { Memory } from "./memory.js";
import { Model } from "./model.js";
import { Outputs } from "./outputs.js";
import { buildParts } from "./parts.js";
import { Photograph } from "./photograph.js";
import { PEN_ERASER, Pointers } from "./pointers.js";
import { Previews } from "./previews.js";
import { Stroke } from "./stroke.js";
import { MAX_BRUSH, TOOLS } from "./tools.js";
import { Underlay } from "./underlay.js";
import { View } from "./view.js";

class Painter {
  /* `page` holds what Gradio passes to a component's script: element, props, trigger, watch. */
  constructor(page) {
    this.model = null; // a Model
    this.layout = null; // a Layout
    this.revision = 0; // how often the layout has changed
    this.history = new History();
    this.stroke = null; // the Stroke in progress
    this.toolId = null;
    this.previousToolId = "brush";
    this.classId = 0;
    this.size = 24; // of the brush, in pixels of the layout
    this.live = true; // whether every change asks for a photograph

    this.chips = new ClassChips((id) => this.useClass(id));
    this.outputs = new Outputs(this);
    this.colors = new Colors(this);
    this.details = new Details(this);
    this.previews = new Previews(this);
    this.photograph = new Photograph();
    this.underlay = new Underlay(this);
    this.parts = buildParts(this);
    this.view = new View(this.parts, this.photograph.sheet, {
      drawCursor: (context) => drawCursor(context, this),
      onMove: () => { this.parts.zoomText.textContent = Math.round(this.view.zoom * 100) + "%"; },
    });
    this.tools = Object.fromEntries(TOOLS.map((tool) => [tool.id, tool.make(this)]));
    this.useTool("brush");
    this.exchange = new Exchange(this, page);
    this.memory = new Memory(this);
    this.pointers = new Pointers(this);
    this.keys = new Keys(this);
    this.parts.root.painter = this; // for tests
    page.element.replaceChildren(this.parts.root);
  }

  async start() {
    await this.exchange.start();
    if (!this.memory.reopenModel()) await this.memory.restore();
    this.publish({ ready: 1 });
  }

  // -- the model and its classes --------------------------------------------------------------------

  setModel(facts) {
    const className = this.model?.nameOf(this.classId);
    this.model = new Model(facts);
    const { classes, rows, unlabelledColor, hasSources, hasStyles } = this.model;
    this.chips.set(rows);
    this.view.setColors(classes.map(({ color }) => color), unlabelledColor);
    for (const part of [this.outputs, this.colors, this.details, this.previews]) part.reset(this.model);
    const mixButton = this.parts.toolButtons.find((button) => button.dataset.tool === "mix");
    mixButton.hidden = !hasSources;
    nameButton(mixButton, hasStyles ? "Give colours" : "Mix outputs", "M");
    this.parts.colorsButton.hidden = !hasStyles;
    this.history = new History();
    this.useClass(rows.find((row) => row.name === className)?.id ?? 0);
    if (this.toolId === "mix") this.useTool("brush");
    if (this.previousToolId === "mix") this.previousToolId = "brush";
  }

  useClass(id) {
    this.classId = id;
    this.chips.show(id);
    this.outputs.show();
    this.view.refresh();
    this.memory.keep();
  }

  /* The next class, or with -1 the one before; after the last comes the first. */
  stepClass(step) {
    const { rows } = this.model;
    const at = rows.findIndex((row) => row.id === this.classId);
    this.useClass(rows[(at + step + rows.length) % rows.length].id);
  }

  pick(point) {
    const x = Math.floor(point.x), y = Math.floor(point.y);
    if (this.layout.contains(x, y)) this.useClass(this.layout.ids[y * this.layout.width + x]);
  }

  // -- tools and strokes ----------------------------------------------------------------------------

  useTool(id) {
    this.giveUp();
    if (this.toolId && this.toolId !== id) {
      this.tools[this.toolId].cancel?.();
      this.previousToolId = this.toolId;
    }
    this.toolId = id;
    const { toolButtons, overlay } = this.parts;
    press(toolButtons, toolButtons.find((button) => button.dataset.tool === id));
    overlay.dataset.tool = id;
    if (!this.layout) return; // the page is still being built
    if (id === "mix" && this.outputs.scope === "all") this.outputs.useScope("class");
    this.outputs.show();
    this.view.refresh();
    this.memory.keep();
  }

  usePreviousTool() {
    this.useTool(this.previousToolId);
  }

  get activeTool() {
    return this.stroke?.tool ?? this.tools[this.toolId];
  }

  setSize(size) {
    this.size = Math.min(MAX_BRUSH, Math.max(1, Math.round(size)));
    this.parts.sizeInput.value = this.size;
    this.parts.sizeText.textContent = this.size + " px";
    this.view.refresh();
    this.memory.keep();
  }

  /* What tools call after painting inside `box`; null if they painted nothing. */
  touched(box) {
    if (box) this.view.repaint(box);
  }

  hover(point) {
    this.tools[this.toolId].hover?.(point);
    this.view.refresh();
  }

  startStroke(point, event) {
    const turned = event.button === PEN_ERASER;
    const tool = event.altKey ? this.tools.pick : turned ? this.tools.erase : this.tools[this.toolId];
    this.stroke = new Stroke(this.layout, tool);
    tool.press(point, event);
    this.view.refresh();
  }

  moveStroke(points, event) {
    this.stroke.tool.move?.(points, event);
    this.view.refresh();
  }

  endStroke() {
    const { stroke } = this;
    this.stroke = null;
    if (stroke.tool === this.tools.pick && this.toolId !== "pick") return; // with Alt the tool stays
    stroke.tool.release?.();
    if (stroke.commit(this.history)) this.changed();
    else this.previews.wait();
    this.exchange.renderIfAsked();
    this.view.refresh();
  }

  /* Ends the stroke in progress, if there is one, and undoes it. */
  giveUp() {
    const { stroke } = this;
    if (!stroke) return;
    this.stroke = null;
    stroke.giveUp();
    this.view.repaint(this.layout.box);
    this.exchange.renderIfAsked();
    this.previews.wait();
  }

  // -- changes of the layout ------------------------------------------------------------------------

  /* Changes the layout by act(layout), as a step of the history. */
  change(act) {
    const stroke = new Stroke(this.layout);
    act(this.layout);
    if (stroke.commit(this.history)) this.changed();
  }

  /* After every change: the photograph is out of date, and so is what the browser keeps. */
  changed() {
    this.memory.dontWait();
    this.setRevision(this.revision + 1);
    this.showHistory();
    this.memory.keep();
    this.memory.forgetLink();
    this.outputs.follow(this.layout);
    this.details.show();
    this.previews.wait();
    if (this.live) this.exchange.render();
    else this.photograph.setState("stale");
  }

  setRevision(revision) {
    this.revision = revision;
    this.publish({ revision });
  }

  /* The layout without the stroke in progress. */
  get settledLayout() {
    return this.stroke ? this.stroke.before : this.layout;
  }

  showHistory() {
    this.parts.undoButton.disabled = !this.history.canUndo;
    this.parts.redoButton.disabled = !this.history.canRedo;
  }

  undo() {
    const { polygon } = this.tools;
    if (polygon.isOpen) {
      polygon.back();
      this.view.refresh();
    } else if (!this.stroke && this.history.canUndo) this.step((layout) => this.history.undo(layout));
  }

  redo() {
    if (!this.stroke && this.history.canRedo) this.step((layout) => this.history.redo(layout));
  }

  step(act) {
    const ids = this.layout.ids.slice();
    this.setLayout(act(this.layout));
    this.changed();
    const isChoice = this.layout.pixels === ids.length && ids.every((id, index) => id === this.layout.ids[index]);
    if (isChoice && !this.live) this.renderIfStale(); // as when it was chosen
  }

  clear() {
    if (this.stroke) return;
    this.change((layout) => this.touched(layout.rectangle(layout.box, UNLABELLED)));
  }

  /* A key has closed or cancelled the open polygon, or removed a corner, perhaps while the pointer is down. */
  changePolygon(act) {
    this.stroke = null;
    this.change(act);
    this.exchange.renderIfAsked();
    this.view.refresh();
  }

  setLayout(layout) {
    this.layout = layout;
    for (const tool of Object.values(this.tools)) tool.reset?.();
    this.parts.root.style.setProperty("--lp-ratio", layout.width / layout.height);
    this.view.show(layout);
    this.showLayoutSizes();
    this.photograph.setOriginal(layout.origin.photograph);
    this.showNotes(layout.origin.notes);
    this.outputs.follow(layout);
    this.details.show();
  }

  /* A layout from elsewhere, as a step that can be undone. Styles of photographs stay for the visit. */
  replaceLayout(layout) {
    this.giveUp();
    const before = this.layout;
    layout.joinStyles(before.styles, this.model.styles.length, this.exchange.props.max_styles);
    this.setLayout(layout);
    this.history.record(before, layout);
  }

  /* Shows a layout from Python, whose photograph follows. With the facts of another model the history starts anew. */
  open(layout, facts) {
    this.giveUp();
    if (facts) {
      this.setModel(facts);
      this.setLayout(layout);
    } else this.replaceLayout(layout);
    this.showHistory();
    const isFirst = this.photograph.revision < 0; // the page opens with revision 0, and perhaps with a link
    this.setRevision(isFirst ? this.revision : this.revision + 1);
    if (!isFirst) this.memory.forgetLink();
    this.memory.keep();
  }

  /* A style from Python, for the whole layout. */
  takeStyle(style) {
    this.giveUp();
    this.outputs.change((layout) => {
      layout.chooseForAll(layout.addStyle(style, this.model.styles.length, this.exchange.props.max_styles));
    });
  }

  showLayoutSizes() {
    const sizes = this.model.layoutSizes;
    const now = this.layout.width + "x" + this.layout.height;
    if (!sizes.includes(now)) sizes.push(now);
    this.parts.layoutSizeInput.replaceChildren(
      ...sizes.map((size) => h("option", { value: size, selected: size === now }, size.replace("x", " × "))),
    );
  }

  nextSize() {
    const { options, selectedIndex } = this.parts.layoutSizeInput;
    this.resize(options[(selectedIndex + 1) % options.length].value);
  }

  /* `size` is "WIDTHxHEIGHT". */
  resize(size) {
    this.giveUp();
    const [width, height] = size.split("x").map(Number);
    this.replaceLayout(this.layout.resized(width, height));
    this.changed();
  }

  // -- what people read -----------------------------------------------------------------------------

  setLive(live) {
    this.showLive(live);
    this.memory.keep();
    if (live) this.renderIfStale();
  }

  showLive(live) {
    this.live = this.parts.liveInput.checked = live;
  }

  renderIfStale() {
    if (this.photograph.revision !== this.revision) this.exchange.render();
  }

  showNotes(notes) {
    this.parts.notes.replaceChildren(...notes.map((note) => h("li", {}, note)));
  }

  /* A text, or an array of texts and nodes, in the status. */
  say(content, isError = false) {
    const { status } = this.parts;
    status.replaceChildren(...[content].flat());
    status.classList.toggle("lp-error", isError);
  }

  /* Sets data attributes, which tests and benchmarks read. */
  publish(data) {
    Object.assign(this.parts.root.dataset, data);
  }

  // -- what a reload keeps --------------------------------------------------------------------------

  get settings() {
    const { toolId, size, classId, live } = this;
    return { tool: toolId, size, classId, live, ...this.outputs.settings, ...this.underlay.settings };
  }

  /* Takes over kept settings; those that make no sense for this model are ignored. */
  restore(settings) {
    const { rows, hasSources } = this.model;
    const tool = TOOLS.find(({ id }) => id === settings.tool);
    if (tool && (tool.id !== "mix" || hasSources)) this.useTool(tool.id);
    this.setSize(Number(settings.size) || this.size);
    if (rows.some((row) => row.id === settings.classId)) this.useClass(settings.classId);
    this.underlay.restore(settings);
    this.showLive(settings.live !== false);
    this.outputs.restore(settings);
  }
}

export function start(page) {
  return new Painter(page).start();
}
