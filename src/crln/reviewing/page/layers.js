// Structures that overlap: each has a drawing of its own. One at a time is drawn on, and is NiiVue's
// drawing; the others lie under it as an overlay, as they are by now.

const NAME = "others.nii.gz";

export class Layers {
  // Loads all of them; `address` tells that of each, `first` is drawn on at first.
  static async loaded(nv, info, address, first) {
    const { NVImage } = globalThis.niivue, images = new Map();
    for (const structure of info.layers)
      images.set(structure, await NVImage.loadFromUrl({ url: address(structure), name: NAME }));
    const at = images.has(first) ? first : info.layers[0];
    if (!nv.loadDrawing(images.get(at))) throw new Error("its outline does not fit the scan");
    return new Layers(nv, info, images, at);
  }

  constructor(nv, info, images, at) {
    this.nv = nv;
    this.at = at;
    this.numbers = new Map([...images].map(([structure, { img }]) => [structure, img]));
    this.numbers.set(at, nv.drawBitmap);
    this.image = images.get(at); // its place is right; what it holds is the others from here on
    this.image.img = new Uint8Array(nv.drawBitmap.length);
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
