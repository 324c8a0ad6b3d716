/* One change of the layout, until it is committed or given up. What a tool paints in the meantime is visible at once,
   but links, storage and Python get the layout as it was `before`. */

export class Stroke {
  /* `tool` is what paints while the pointer is down; null for an action that is over at once. */
  constructor(layout, tool = null) {
    this.layout = layout;
    this.tool = tool;
    this.before = layout.copy();
  }

  /* Adds it to the history as a step; false if nothing has changed. */
  commit(history) {
    return history.record(this.before, this.layout);
  }

  giveUp() {
    if (this.tool.giveUp) this.tool.giveUp();
    else this.tool.cancel?.();
    this.layout.copyFrom(this.before);
  }
}
