/* A painting as text, WIDTHxHEIGHT.IDS or WIDTHxHEIGHT.IDS.CHOICE: see painting.py, the other side. */

import { Layout } from "./layout.js";

export async function encodePainting(layout) {
  const { width, height, ids, choice } = layout;
  const planes = choice.some((image) => image > 0) ? [ids, choice] : [ids];
  // Of copies: the layout may change while the browser is compressing.
  const packed = await Promise.all(planes.map((plane) => packPlane(plane.slice())));
  return [width + "x" + height, ...packed].join(".");
}

/* The Layout of a text. Throws an Error whose message is a sentence for people; never unpacks more pixels than the
   limits allow. */
export async function decodePainting(text, maxPixels, maxSide) {
  const [size, ...planes] = text.split(".");
  const found = /^([1-9]\d{0,5})x([1-9]\d{0,5})$/.exec(size);
  if (!found || planes.length < 1 || planes.length > 2) throw new Error("It is not a painting of this page.");
  const width = Number(found[1]), height = Number(found[2]);
  const fits = width * height <= maxPixels && Math.max(width, height) <= maxSide;
  if (!fits) throw new Error("It has more pixels than this page takes.");
  const layout = new Layout(width, height);
  layout.ids.set(await unpackPlane(planes[0], layout.pixels));
  if (planes[1]) layout.choice.set(await unpackPlane(planes[1], layout.pixels));
  layout.learnChoices();
  return layout;
}

async function packPlane(plane) {
  const stream = new Blob([plane]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  let binary = "";
  for (let i = 0; i < packed.length; i += 8192) binary += String.fromCharCode(...packed.subarray(i, i + 8192));
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

async function unpackPlane(text, pixels) {
  const result = new Uint8Array(pixels);
  let filled = 0;
  try {
    const packed = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > pixels) {
        await reader.cancel();
        filled = -1;
        break;
      }
      result.set(value, filled);
      filled += value.length;
    }
  } catch {
    filled = -1;
  }
  if (filled !== pixels) throw new Error("Its pixels are damaged.");
  return result;
}
