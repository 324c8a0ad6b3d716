/* What the painter knows of the model that makes the photographs: `ModelFacts` of painter.py. */

import { UNLABELLED } from "./layout.js";

const MENU_WIDTH = 2048, MENU_HEIGHT = 1024; // the largest size that the menu offers

export class Model {
  constructor({ name, classes, order, unlabelled_color, size, num_images, styles, swatches, has_seed }) {
    this.name = name; // "" for the page's own
    this.classes = classes.map(({ name, color }, id) => ({ id, name, color }));
    this.unlabelledColor = unlabelled_color;
    this.rows = [ // in the order of the palette
      ...order.map((id) => this.classes[id]), { id: UNLABELLED, name: "unlabelled", color: unlabelled_color },
    ];
    [this.height, this.width] = size;
    this.numImages = num_images;
    this.styles = styles; // names
    this.swatches = swatches; // with styles, [r, g, b] to choose from, for each class and for unlabelled
    this.hasSeed = has_seed;
  }

  get hasStyles() {
    return this.styles.length > 0;
  }

  /* Whether there are several sources: images of the model, or styles. */
  get hasSources() {
    return this.numImages > 1 || this.hasStyles;
  }

  /* The sources that a layout may have its pixels from: numbers of images, or names of styles and then the texts of the
     layout's own. */
  sourcesOf(layout) {
    return this.hasStyles ? [...this.styles, ...layout.styles] : [...Array(this.numImages).keys()];
  }

  /* Removes from a layout what this model doesn't have. */
  simplify(layout) {
    const count = this.sourcesOf(layout).length;
    if ([layout.choice, layout.choiceOfClass].some((plane) => plane.some((source) => source >= count))) {
      layout.chooseForAll(0);
    }
    if (!this.hasStyles) {
      layout.hand.fill(0);
      layout.handOfClass.fill(0);
      layout.styles = [];
    }
    if (!this.hasSeed) layout.seed = 0;
  }

  get classNames() {
    return this.classes.map(({ name }) => name);
  }

  swatchesOf(id) {
    return this.swatches[Math.min(id, this.classes.length)];
  }

  nameOf(id) {
    return this.rows.find((row) => row.id === id)?.name ?? String(id);
  }

  /* Whether all ids of a layout are classes of this model. */
  understands(layout) {
    return layout.ids.every((id) => id < this.classes.length || id === UNLABELLED);
  }

  /* Tells class sets apart in links: 32-bit FNV-1a of the names. */
  get classesMark() {
    let mark = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(this.classNames.join("\n"))) {
      mark = Math.imul(mark ^ byte, 0x01000193);
    }
    return (mark >>> 0).toString(16);
  }

  /* The sizes that the menu offers, as "WIDTHxHEIGHT": the model's own, doubled again and again. */
  get layoutSizes() {
    const sizes = [];
    let { width, height } = this;
    do {
      sizes.push(width + "x" + height);
      width *= 2;
      height *= 2;
    } while (width <= MENU_WIDTH && height <= MENU_HEIGHT);
    return sizes;
  }
}
