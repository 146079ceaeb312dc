// Structures that overlap: each has a drawing of its own. One at a time is drawn on, and is NiiVue's
// drawing; the others lie under it as an overlay, as they are by now.

import { numbersOf } from "./asking.js";
import { drawOn } from "./quick.js";

const NAME = "others.nii.gz";

export class Layers {
  // Loads all of them; `address` tells that of each, `first` is drawn on at first.
  static async loaded(nv, info, address, first) {
    const [one, ...more] = info.layers, numbers = new Map();
    const image = await globalThis.niivue.NVImage.loadFromUrl({ url: address(one), name: NAME });
    numbers.set(one, image.img);
    for (const structure of more) numbers.set(structure, await numbersOf(address(structure)));
    const at = numbers.has(first) ? first : one;
    drawOn(nv, numbers.get(at));
    return new Layers(nv, info, numbers, at, image);
  }

  constructor(nv, info, numbers, at, image) {
    Object.assign(this, { nv, numbers, at, image });
    image.img = new Uint8Array(nv.drawBitmap.length); // its place is right; it holds the others
    this.image.setColormapLabel(colours(info));
    const [nx, ny] = info.shape;
    this.beside = [1, -1, nx, -nx, nx * ny, -nx * ny];
    this.outlined = false;
    this.#compose();
    if (this.numbers.size > 1) nv.addVolume(this.image);
  }

  // Another one is drawn on.
  turn(structure) {
    this.at = structure;
    this.nv.drawBitmap = this.numbers.get(structure);
    this.#compose();
    if (this.numbers.size > 1) this.nv.updateGLVolume();
  }

  // What is later in the list lies over what is earlier, as a tumour does over its organ.
  #compose() {
    const { beside, image: { img }, outlined } = this;
    img.fill(0);
    for (const [structure, numbers] of this.numbers) {
      if (structure === this.at) continue;
      for (let i = numbers.indexOf(structure); i >= 0 && i < img.length; i++)
        if (numbers[i] === structure
            && !(outlined && beside.every(step => numbers[i + step] === structure)))
          img[i] = structure;
    }
  }

  // Shows the others, filled or their rims, as faintly as is told: by 0 not at all.
  look(opacity, outlined) {
    const place = this.nv.volumes.indexOf(this.image), changed = this.outlined !== outlined;
    if (place < 1 || (this.image.opacity === opacity && !changed)) return;
    this.outlined = outlined;
    if (changed) this.#compose();
    this.nv.setOpacity(place, opacity);
  }
}

// A colour for each structure's number; the background is clear.
function colours({ classes, layers }) {
  const table = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""] };
  for (const { value, name, colour } of classes) {
    if (!layers.includes(value)) continue;
    const [r, g, b] = [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
    table.R.push(r); table.G.push(g); table.B.push(b);
    table.A.push(255); table.I.push(value); table.labels.push(name);
  }
  return table;
}
