// Undo and redo without limit. The viewer's own undo comes back to the newest state once it has run
// out, knows no redo, and misses strokes that leave the picture.

export class Strokes {
  // Of structures that overlap `layer` is the one that is drawn on; `turned` has another one be it.
  constructor(bitmap, layer = null, turned = () => {}) {
    this.begin(bitmap());
    Object.assign(this, { bitmap, layer, turned });
  }

  // Another layer is drawn on; strokes on the one before can be undone as ever.
  turn(layer) {
    this.layer = layer;
    this.known = this.bitmap().slice();
  }

  begin(now) {
    this.known = now.slice();
    this.done = [];
    this.undone = [];
  }

  // Notes what has changed since the last time: the voxels' numbers before and after. Where `may`
  // refuses, of a voxel and what it was, the drawing becomes what it was.
  note(may = () => true) {
    const now = this.bitmap(), { known } = this, words = now.length >> 2, at = [];
    const a = new Uint32Array(now.buffer, now.byteOffset, words);
    const b = new Uint32Array(known.buffer, known.byteOffset, words);
    for (let word = 0; word < words; word++) {
      if (a[word] === b[word]) continue;
      for (let i = 4 * word; i < 4 * word + 4; i++) if (now[i] !== known[i]) at.push(i);
    }
    for (let i = 4 * words; i < now.length; i++) if (now[i] !== known[i]) at.push(i);
    const places = Uint32Array.from(at.filter(i => may(i, known[i])));
    this.refused = at.length - places.length;
    if (this.refused) for (const i of at) if (!may(i, known[i])) now[i] = known[i];
    if (!places.length) return 0;
    const before = Uint8Array.from(places, i => known[i]);
    const after = Uint8Array.from(places, i => now[i]);
    places.forEach((i, k) => { known[i] = after[k]; });
    this.done.push({ places, before, after, layer: this.layer });
    this.undone.length = 0;
    return places.length;
  }

  // Something else than voxels that a person did, and how it is undone and redone.
  step(before, after) {
    this.note();
    this.done.push({ places: new Uint32Array(), acts: { before, after }, layer: this.layer });
    this.undone.length = 0;
  }

  undo() { return this.#move(this.done, this.undone, "before"); }

  redo() { return this.#move(this.undone, this.done, "after"); }

  #move(from, to, which) {
    this.note();
    const stroke = from.pop();
    if (!stroke) return false;
    if (stroke.layer !== this.layer) this.turned(stroke.layer);
    const now = this.bitmap();
    stroke.places.forEach((i, k) => { now[i] = this.known[i] = stroke[which][k]; });
    stroke.acts?.[which]();
    to.push(stroke);
    return true;
  }
}
