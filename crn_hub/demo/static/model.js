/* What the painter knows of the model that makes the photographs: `ModelFacts` of painter.py. */

import { UNLABELLED } from "./layout.js";

const MENU_WIDTH = 2048, MENU_HEIGHT = 1024; // the largest size that the menu offers

export class Model {
  constructor({ name, classes, unlabelled_color, size, num_images }) {
    this.name = name; // "" for the page's own
    this.classes = classes.map(({ name, color }, id) => ({ id, name, color }));
    this.unlabelledColor = unlabelled_color;
    this.rows = [...this.classes, { id: UNLABELLED, name: "unlabelled", color: unlabelled_color }];
    [this.height, this.width] = size;
    this.numImages = num_images;
  }

  get hasSeveralImages() {
    return this.numImages > 1;
  }

  get classNames() {
    return this.classes.map(({ name }) => name);
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
