/* One change of the layout, from its beginning until it is committed or given up. What a tool paints in between is on
   the page at once; links, storage and Python get the layout `before` it. */

export class Stroke {
  /* `tool` is what paints as long as the pointer is down; null for an action that is over at once. */
  constructor(layout, tool = null) {
    this.layout = layout;
    this.tool = tool;
    this.before = layout.copy();
  }

  /* Makes it a step of the history; false if nothing has changed. */
  commit(history) {
    return history.record(this.before, this.layout);
  }

  giveUp() {
    if (this.tool.giveUp) this.tool.giveUp();
    else this.tool.cancel?.();
    this.layout.restore(this.before);
  }
}
