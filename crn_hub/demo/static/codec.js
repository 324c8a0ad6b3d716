/* A painting as text, WIDTHxHEIGHT.IDS[.CHOICE[.HAND]][~sSEED][~cCOLORS][~vSTYLE[.STYLE ...]]: see painting.py, the
   other side. */

import { Layout } from "./layout.js";

export async function encodePainting(layout) {
  const { width, height, ids, choice, seed, styles } = layout;
  const [hand, colors] = usedColors(layout);
  const hasHand = colors.length > 0;
  // Of copies: the layout may change while the browser is compressing.
  const packed = await Promise.all([
    packPlane(ids.slice()),
    choice.some((source) => source > 0) ? packPlane(choice.slice()) : hasHand ? "" : null,
    hasHand ? packPlane(hand) : null,
  ]);
  return [
    [width + "x" + height, ...packed.filter((plane) => plane !== null)].join("."),
    ...(seed ? ["s" + seed] : []),
    ...(hasHand ? ["c" + colors.join("")] : []),
    ...(styles.length ? ["v" + styles.join(".")] : []),
  ].join("~");
}

/* The colours by hand that pixels have, and the plane with their numbers. */
function usedColors({ hand, colors }) {
  const used = [...new Set(hand)].filter((number) => number > 0).sort((a, b) => a - b);
  const place = new Uint8Array(256);
  used.forEach((number, index) => { place[number] = index + 1; });
  return [hand.map((number) => place[number]), used.map((number) => colors[number - 1])];
}

/* The Layout of a text. Throws an Error whose message is a sentence for people; never unpacks more pixels than the
   limits allow. */
export async function decodePainting(text, maxPixels, maxSide) {
  const [pixels, ...others] = text.split("~");
  const [size, ...planes] = pixels.split(".");
  const found = /^([1-9]\d{0,5})x([1-9]\d{0,5})$/.exec(size);
  if (!found || planes.length < 1 || planes.length > 3) throw new Error("It is not a painting of this page.");
  const width = Number(found[1]), height = Number(found[2]);
  const fits = width * height <= maxPixels && Math.max(width, height) <= maxSide;
  if (!fits) throw new Error("It has more pixels than this page takes.");
  const layout = new Layout(width, height);
  layout.ids.set(await unpackPlane(planes[0], layout.pixels));
  if (planes[1]) layout.choice.set(await unpackPlane(planes[1], layout.pixels));
  if (planes[2]) layout.hand.set(await unpackPlane(planes[2], layout.pixels));
  for (const part of others) {
    const content = part.slice(1);
    if (/^s\d{1,6}$/.test(part)) layout.seed = Number(content);
    else if (/^c([0-9a-f]{6})+$/.test(part)) layout.colors = content.match(/.{6}/g);
    else if (/^v[\w.-]+$/.test(part)) layout.styles = content.split(".");
    else throw new Error("It is not a painting of this page.");
  }
  if (layout.hand.some((number) => number > layout.colors.length)) throw new Error("Its pixels are damaged.");
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
