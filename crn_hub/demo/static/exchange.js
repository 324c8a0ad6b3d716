/* The messages between page and Python; painter.py describes them. The page sends the events "generate" and "save",
   with the painting as the value, "preview" and "reopen". Python sends `result`, `preview` and `download`; a result is a
   single property because Gradio delivers properties one by one. */

import { decodePainting, encodePainting, readStyle } from "./codec.js";
import { h } from "./dom.js";

const SLOW = 15_000; // milliseconds without an answer after which the page says so
const STILL_WAITING = "Still waiting for the server… If it stays silent, reload the page: your layout is kept.";

export class Exchange {
  /* `props`, `trigger` and `watch` are Gradio's. */
  constructor(painter, { props, trigger, watch }) {
    Object.assign(this, { painter, props, trigger, watch });
    this.askedAt = new Map(); // revision -> when its photograph was asked for; with Live on, at the end of the stroke
    this.asked = -1; // the latest of these revisions
    this.askedInStroke = false; // somebody asked during a stroke: to be sent when it is over
    this.renderAgain = false; // something was asked for after the last one was sent
    this.sending = null; // the promise of `sendRenders`
    this.slowTimer = null; // says so when the server is slow
    this.packed = null; // { revision, text }: the layout as text
    this.sentRevision = 0; // of the component's value
    this.received = this.previewed = this.downloaded = null; // marks of the last result, preview and download
  }

  async start() {
    await this.apply(this.props.result);
    this.watch(["result", "preview", "download"], () => this.receive());
  }

  /* Asks for the photograph of the layout as it is. */
  render() {
    if (this.painter.stroke) {
      this.askedInStroke = true;
      return;
    }
    this.asked = this.painter.revision;
    this.askedAt.set(this.asked, performance.now());
    this.renderAgain = true;
    this.painter.photograph.setState("busy");
    clearTimeout(this.slowTimer);
    this.slowTimer = setTimeout(() => this.painter.say(STILL_WAITING), SLOW);
    this.sending ??= this.sendRenders();
  }

  /* When a stroke is over: sends what was asked for during it. */
  renderIfAsked() {
    if (!this.askedInStroke) return;
    this.askedInStroke = false;
    this.render();
  }

  /* Sends one request after the other; of the changes made while one is being packed only the last counts. */
  async sendRenders() {
    try {
      while (this.renderAgain) {
        this.renderAgain = false;
        const { revision } = this.painter;
        const text = await this.asText();
        if (this.renderAgain && revision !== this.painter.revision) continue;
        this.send(revision, text, "generate");
      }
    } finally {
      this.sending = null;
    }
  }

  /* The layout as text, packed once for each revision. */
  asText() {
    const { painter } = this;
    if (this.packed?.revision !== painter.revision) {
      this.packed = { revision: painter.revision, text: encodePainting(painter.settledLayout) };
    }
    return this.packed.text;
  }

  /* The layout of a text; see decodePainting. */
  read(text) {
    return decodePainting(text, this.props);
  }

  send(revision, text, event, data = {}) {
    this.setValue(revision, text);
    this.trigger(event, data);
  }

  /* The revision is part of the value, not of the event: when events have to wait, Gradio runs the last one with the
     newest value but with the data of an older event. An older painting never replaces a newer one. */
  setValue(revision, text) {
    if (revision < this.sentRevision) return;
    this.sentRevision = revision;
    this.props.value = revision + " " + text;
  }

  /* Asks for a small photograph of the layout in a style. The layout is not the component's value: that one is there
     only when somebody has painted. */
  async preview(style) {
    const { revision } = this.painter;
    this.trigger("preview", { painting: await this.asText(), revision, style });
  }

  /* Asks Python for the model of this name. */
  reopen(model) {
    this.trigger("reopen", { model });
  }

  async save(kind) {
    await this.sending;
    const { revision } = this.painter;
    this.send(revision, await this.asText(), "save", { kind });
  }

  async receive() {
    const { result, preview, download } = this.props;
    if (preview && preview.mark !== this.previewed) {
      this.previewed = preview.mark;
      this.painter.previews.receive(preview);
    }
    if (download && download.mark !== this.downloaded) {
      this.downloaded = download.mark;
      const root = window.gradio_config?.root ?? "";
      const file = root + "/gradio_api/file=" + encodeURI(download.path);
      h("a", { href: file, download: download.name }).click();
    }
    if (result.mark !== this.received) await this.apply(result);
  }

  /* Shows a result: a new photograph of the painting on the page, or a new painting with its photograph, perhaps for
     another model. */
  async apply(result) {
    const { painter } = this;
    this.received = result.mark;
    if (result.style) {
      await readStyle(result.style);
      return painter.takeStyle(result.style);
    }
    if (!result.painting) return this.showPhotograph(result, result.revision);
    const layout = await this.read(result.painting);
    layout.origin = { photograph: result.original ?? null, notes: result.notes };
    const isFirst = !painter.layout;
    painter.open(layout, result.model);
    if (result.original) painter.underlay.offer(result.original, result.what);
    if (!isFirst) painter.photograph.reveal(painter.parts.root);
    await this.showPhotograph(result, painter.revision);
    if (result.model?.name && painter.memory.reopening) await painter.memory.restore();
  }

  async showPhotograph(result, revision) {
    const { painter } = this;
    if (revision >= this.asked) clearTimeout(this.slowTimer);
    if (result.error) {
      if (revision < painter.revision) return; // the newer one is still to come
      painter.say(result.error, true);
      painter.photograph.setState("stale");
      return;
    }
    if (!(await painter.photograph.show(result.image, revision))) return;
    painter.publish({ shown: revision });
    painter.outputs.setPictures(result.strip);
    painter.underlay.followPhotograph();
    const started = this.askedAt.get(revision);
    for (const known of this.askedAt.keys()) if (known <= revision) this.askedAt.delete(known);
    this.sayDone(result, started === undefined ? null : performance.now() - started);
    if (revision === painter.revision) painter.photograph.setState("ready");
    painter.previews.wait();
  }

  sayDone({ what, network }, total) {
    const { width, height } = this.painter.layout;
    const parts = [what, width + " × " + height + " pixels"].filter(Boolean);
    if (network != null) parts.push("network " + Math.round(network) + " ms");
    if (total != null) parts.push("total " + Math.round(total) + " ms");
    this.painter.publish({ network: network ?? "", total: total ?? "" });
    this.painter.say(parts.join(" · "));
  }

  openColors() {
    document.querySelector(this.props.colors_input)?.click();
  }

  openFile() {
    document.querySelector(this.props.file_input)?.click();
  }

  dropFile(file) {
    const input = document.querySelector(this.props.file_input);
    if (!input || !file) return;
    const carrier = new DataTransfer();
    carrier.items.add(file);
    input.files = carrier.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
