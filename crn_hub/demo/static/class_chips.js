/* The classes as radio buttons, so that the browser itself provides arrow keys, names and states. `onchoose(id)` is
   called when somebody clicks or finds a class. */

import { h } from "./dom.js";
import { UNLABELLED } from "./layout.js";

export class ClassChips {
  constructor(onchoose) {
    this.onchoose = onchoose;
    this.list = h("div", { class: "lp-chips" });
    this.search = h("input", {
      type: "search", class: "lp-search", placeholder: "Find a class  /", "aria-label": "Find a class",
      oninput: () => this.filter(), onkeydown: (event) => this.onSearchKey(event),
    });
    this.none = h("p", { class: "lp-none", hidden: true }, "No class has such a name.");
    this.node = h(
      "fieldset", { class: "lp-classes" }, h("legend", {}, "Class"), this.search, this.list, this.none,
    );
  }

  /* rows: { id, name, color } each, the last one unlabelled. */
  set(rows) {
    this.search.value = "";
    this.search.hidden = rows.length <= 16;
    this.inputs = new Map();
    this.chips = rows.map(({ id, name, color }, position) => {
      const input = h("input", {
        type: "radio", name: "lp-class", value: id, onchange: () => this.onchoose(id),
      });
      this.inputs.set(id, input);
      const hasKey = position < 10 && id !== UNLABELLED;
      const key = hasKey ? h("kbd", { "aria-hidden": "true" }, String((position + 1) % 10)) : null;
      return h(
        "label", { class: "lp-chip", "data-id": id, title: name },
        input, h("span", { class: "lp-swatch", style: "background: rgb(" + color + ")" }), h("span", {}, name), key,
      );
    });
    this.list.replaceChildren(...this.chips);
    this.filter();
  }

  filter() {
    const wanted = this.search.value.trim().toLowerCase();
    let found = 0;
    for (const chip of this.chips) {
      chip.hidden = !chip.title.toLowerCase().includes(wanted);
      found += !chip.hidden;
    }
    this.none.hidden = found > 0;
  }

  onSearchKey(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      const first = this.chips.find((chip) => !chip.hidden);
      if (first) this.onchoose(Number(first.dataset.id));
    } else if (event.key !== "Escape") return;
    this.search.value = "";
    this.filter();
    this.search.blur();
  }

  show(id) {
    const input = this.inputs.get(id);
    if (!input || input.checked) return;
    input.checked = true;
    const chip = input.parentElement;
    // Not scrollIntoView, which would scroll the page as well.
    this.list.scrollTo({
      left: chip.offsetLeft + (chip.offsetWidth - this.list.clientWidth) / 2,
      top: chip.offsetTop + (chip.offsetHeight - this.list.clientHeight) / 2,
    });
  }
}
