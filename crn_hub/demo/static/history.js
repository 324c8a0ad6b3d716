/* Undo and redo. A step keeps only the runs of pixels that differ: a stroke takes a few hundred bytes, whatever the
   layout's size. */

import { Layout } from "./layout.js";

const UNDO_STEPS = 50;

/* Where two buffers of the same length differ: [start, length, before XOR after, start, ...]. */
function differences(before, after) {
  const runs = [];
  const length = after.length;
  let i = 0;
  while (i < length) {
    if (before[i] === after[i]) {
      i++;
      continue;
    }
    const start = i, value = before[i] ^ after[i];
    while (i < length && (before[i] ^ after[i]) === value) i++;
    runs.push(start, i - start, value);
  }
  return Uint32Array.from(runs);
}

/* Turns either of the two buffers into the other. */
function applyDifferences(buffer, runs) {
  for (let r = 0; r < runs.length; r += 3) {
    const end = runs[r] + runs[r + 1];
    for (let i = runs[r]; i < end; i++) buffer[i] ^= runs[r + 2];
  }
}

/* What somebody has chosen that isn't in the pixels. */
function chosenIn({ choiceOfClass, handOfClass, styles, seed, origin }) {
  return [choiceOfClass, handOfClass, styles, seed, origin.photograph].join(" ");
}

export class History {
  constructor() {
    this.done = [];
    this.undone = [];
  }

  get canUndo() {
    return this.done.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  /* Remembers the step from the layout `before` to the layout `after`; false if they don't differ. */
  record(before, after) {
    let step;
    if (before.width === after.width && before.height === after.height) {
      step = { runs: differences(before.buffer, after.buffer) };
      if (!step.runs.length && chosenIn(before) === chosenIn(after)) return false;
    } else {
      step = { before: packed(before), after: packed(after) };
    }
    step.extrasBefore = before.extras;
    step.extrasAfter = after.extras;
    this.done.push(step);
    if (this.done.length > UNDO_STEPS) this.done.shift();
    this.undone = [];
    return true;
  }

  /* Both return the resulting layout: the given one, changed, or a new one if the step changed the size. */
  undo(layout) {
    const step = this.done.pop();
    this.undone.push(step);
    return changed(layout, step, step.before, step.extrasBefore);
  }

  redo(layout) {
    const step = this.undone.pop();
    this.done.push(step);
    return changed(layout, step, step.after, step.extrasAfter);
  }
}

function changed(layout, step, whole, extras) {
  const result = step.runs ? layout : new Layout(whole.width, whole.height);
  if (!step.runs) result.buffer.fill(0);
  applyDifferences(result.buffer, step.runs || whole.runs);
  result.extras = extras;
  return result;
}

/* A whole layout as differences from zeros. */
function packed(layout) {
  const { width, height, buffer } = layout;
  return { width, height, runs: differences(new Uint8Array(buffer.length), buffer) };
}
