/* The photograph beside the layout, and of which revision of the layout it is. */

import { h } from "./dom.js";

export class Photograph {
  constructor() {
    this.revision = -1; // before the first one
    this.image = h("img", { alt: "Photograph of the layout", draggable: "false" });
    this.pane = h("div", { class: "lp-pane lp-photograph" }, this.image, h("div", { class: "lp-progress" }));
  }

  /* "ready"; "busy" while the next one is awaited; "stale" if it is of an earlier layout. */
  setState(state) {
    this.pane.dataset.state = state;
    this.pane.setAttribute("aria-busy", String(state === "busy"));
  }

  /* The image, once there is one to draw; otherwise null. */
  get picture() {
    return this.image.complete && this.image.naturalWidth ? this.image : null;
  }

  /* Shows the photograph of a revision unless a newer one is there, or comes in the meantime: then false. */
  async show(url, revision) {
    const next = new Image();
    next.src = url;
    await next.decode();
    if (revision < this.revision) return false;
    this.revision = revision;
    this.image.src = url;
    await this.image.decode().catch(() => {}); // fails if a newer one takes its place
    return this.revision === revision;
  }
}
