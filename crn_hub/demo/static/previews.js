/* Small photographs of the layout in each style. They are made one at a time while nobody paints, and dropped at the
   next change. */

const IDLE = 400; // milliseconds without a change
const LOST = 20_000; // milliseconds after which an answer no longer comes

export class Previews {
  constructor(painter) {
    this.painter = painter;
    this.revisions = new Map(); // of which each picture is, by source
    this.asked = null; // when the last one was asked for, while its answer is to come
    this.timer = null;
  }

  /* For another model. */
  reset() {
    this.revisions.clear();
  }

  /* After a change, and when its photograph has come. */
  wait() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.next(), IDLE);
    this.showAges();
  }

  async next() {
    const { painter } = this;
    const { model, layout, photograph, revision } = painter;
    if (!model.hasStyles || painter.stroke || photograph.revision !== revision) return; // `wait` is called again
    if (this.asked !== null && performance.now() - this.asked < LOST) return; // so is `receive`
    const only = layout.onlyChoice;
    if (only !== null) this.set(only, photograph.image.src);
    const style = painter.outputs.sources.findIndex((source) => this.revisions.get(source) !== revision);
    if (style < 0) return;
    this.asked = performance.now();
    await painter.exchange.preview(style);
  }

  receive({ revision, style, image }) {
    this.asked = null;
    if (revision !== this.painter.revision || !image) return this.wait();
    this.set(style, image);
    this.next();
  }

  set(style, url) {
    const { sources, buttons } = this.painter.outputs;
    this.revisions.set(sources[style], this.painter.revision);
    buttons[style].firstChild.src = url;
    this.showAges();
  }

  showAges() {
    const { outputs, revision } = this.painter;
    outputs.buttons.forEach((button, index) => {
      button.classList.toggle("lp-old", this.revisions.get(outputs.sources[index]) !== revision);
    });
  }
}
