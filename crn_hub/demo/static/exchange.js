/* What goes between page and Python. Page to Python: the event "generate" or "save" with the painting as the value.
   Python to page: `result`, all of it at once since Gradio brings properties one by one, and `download`; see
   painter.py. */

const SLOW = 15_000; // milliseconds without an answer after which one says so
const STILL_WAITING = "Still waiting for the server… If it stays silent, reload the page: your layout is kept.";

class Exchange {
  constructor(painter) {
    this.painter = painter;
    this.askedAt = new Map(); // revision -> when its photograph was asked for: with Live on, when the stroke ended
    this.asked = -1; // the last of these revisions
    this.valueRevision = 0;
  }

  /* Asks for the photograph of the layout as it is. */
  render() {
    if (this.painter.tool) {
      this.askedInStroke = true;
      return;
    }
    this.asked = this.painter.revision;
    this.askedAt.set(this.asked, performance.now());
    this.renderAgain = true;
    this.painter.setState("busy");
    clearTimeout(this.slowly);
    this.slowly = setTimeout(() => this.painter.say(STILL_WAITING), SLOW);
    this.sending ??= this.sendRenders();
  }

  /* A stroke is over: what was asked for in its middle. */
  renderIfAsked() {
    if (!this.askedInStroke) return;
    this.askedInStroke = false;
    this.render();
  }

  /* One after the other; of changes that come meanwhile only the last counts. */
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
      const settled = painter.tool ? painter.before : painter.layout; // a stroke counts when it is over
      this.packed = { revision: painter.revision, text: encodePainting(settled) };
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
    const { revision } = this.painter;
    this.send(revision, await this.asText(), "save", { kind });
  }

  async receive() {
    const { result, download } = props;
    if (download && download.mark !== this.downloaded) {
      this.downloaded = download.mark;
      const root = window.gradio_config?.root ?? "";
      const file = root + "/gradio_api/file=" + encodeURI(download.path);
      h("a", { href: file, download: download.name }).click();
    }
    if (result.mark !== this.received) await this.apply(result);
  }

  /* What Python has to show: the photograph of a revision; or a painting with its photograph, perhaps of another model,
     with which all starts anew. */
  async apply(result) {
    const { painter } = this;
    this.received = result.mark;
    if (!result.painting) return this.showPhotograph(result, result.revision);
    const layout = await decodePainting(result.painting);
    if (painter.tool) painter.giveUp();
    if (result.model) {
      painter.setModel(result.model);
      painter.setLayout(layout);
    } else {
      painter.replaceLayout(layout);
    }
    painter.showHistory();
    if (painter.shown >= 0) {
      painter.revision++; // the page opens with revision 0, and perhaps a link
      painter.memory.forgetLink();
    }
    painter.root.dataset.revision = painter.revision;
    painter.memory.keep();
    await this.showPhotograph(result, painter.revision);
    if (result.model?.name && painter.memory.reopening) await painter.memory.restore();
  }

  async showPhotograph(result, revision) {
    const { painter } = this;
    if (revision >= this.asked) clearTimeout(this.slowly);
    if (result.error) {
      if (revision < painter.revision) return; // there will be word of a newer one
      painter.say(result.error, true);
      painter.setState("stale");
      return;
    }
    const next = new Image();
    next.src = result.image;
    await next.decode();
    if (revision < painter.shown) return;
    painter.shown = revision;
    painter.image.src = result.image;
    await painter.image.decode().catch(() => {}); // replaced by a newer one
    if (painter.shown !== revision) return;
    painter.root.dataset.shown = revision;
    painter.outputs.setPictures(result.strip);
    if (painter.underlayKind === "photograph") painter.showUnderlay();
    const started = this.askedAt.get(revision);
    for (const known of this.askedAt.keys()) if (known <= revision) this.askedAt.delete(known);
    this.sayDone(result, started === undefined ? null : performance.now() - started);
    if (revision === painter.revision) painter.setState("ready");
  }

  sayDone({ what, network, notes }, total) {
    const { width, height } = this.painter.layout;
    const parts = [what, width + " × " + height + " pixels"].filter(Boolean);
    if (network != null) parts.push("network " + Math.round(network) + " ms");
    if (total != null) parts.push("total " + Math.round(total) + " ms");
    this.painter.root.dataset.network = network ?? "";
    this.painter.root.dataset.total = total ?? "";
    this.painter.say(parts.join(" · "));
    if (notes) this.painter.showNotes(notes);
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
}
