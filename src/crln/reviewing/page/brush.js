// The pen: a disc in its plane or a ball, round in millimetres, that keeps to what may be drawn on.
// NiiVue tells where the mouse went; its own pen is a square in one plane.

export const EVERYWHERE = "everywhere", BETWEEN = "between", LIKE = "like";

export class Brush {
  constructor() {
    this.size = 1; // the diameter
    this.unit = "voxels";
    this.ball = false;
    this.locked = new Set(); // numbers of classes that nothing is drawn over
    this.where = EVERYWHERE;
    this.range = [0, 0]; // of BETWEEN
    this.around = 0; // of LIKE: how far from what was clicked on
    this.dirty = null; // [first, last] voxel that was drawn on since the picture was
  }

  attach(nv) {
    this.nv = nv;
    nv.drawPt = (x, y, z, number) => {
      this.#begin([x, y, z]);
      this.#draw([x, y, z], [x, y, z], number);
    };
    nv.drawPenLine = (a, b, number) => this.#draw(a, b, number);
  }

  show(info) {
    this.shape = info.shape;
    this.spacing = info.spacing;
    if (info.id !== this.id) this.locked.clear(); // another channel is the same case
    this.id = info.id;
    this.dirty = null;
  }

  get #axis() { return 2 - this.nv.drawPenAxCorSag; } // of the plane that is drawn in

  // In millimetres; "voxels" are those of the finest axis that the pen reaches along.
  radius(axis) {
    const sides = this.ball ? this.spacing : this.spacing.filter((_, each) => each !== axis);
    return this.size / 2 * (this.unit === "mm" ? 1 : Math.min(...sides));
  }

  // Whether a voxel that is `number` by now may become something else by the stroke in hand.
  may(at, number) {
    if (this.locked.has(number)) return false;
    if (this.where === EVERYWHERE) return true;
    const [low, high] = this.where === LIKE ? this.like : this.range;
    const value = this.#value(at);
    return low <= value && value <= high;
  }

  #value(at) {
    const { img, hdr } = this.nv.volumes[0];
    return img[at] * (hdr.scl_slope || 1) + (hdr.scl_inter || 0);
  }

  // "Like where I click": around the mean of the nine voxels there in the plane.
  #begin(voxel) {
    if (this.where !== LIKE) return;
    const axis = this.#axis, around = this.#box([voxel, voxel], [0, 1, 2].map(a => +(a !== axis)));
    let sum = 0, count = 0;
    this.#each(around, at => { sum += this.#value(at); count += 1; });
    this.like = [sum / count - this.around, sum / count + this.around];
  }

  // The voxels whose centres lie within the radius of the way from a to b, and those on that way.
  #draw(a, b, number) {
    const axis = this.#axis, { spacing, nv } = this, bitmap = nv.drawBitmap;
    const radius = nv.opts.isFilledPen ? 0 : this.radius(axis);
    const reach = spacing.map((side, each) =>
      (each === axis && !(this.ball && radius) ? 0 : Math.floor(radius / side)));
    const box = this.#box([a, b], reach), most = radius * radius * (1 + 1e-9);
    const set = at => { if (this.may(at, bitmap[at])) bitmap[at] = number; };
    const [sx, sy, sz] = spacing, [wx, wy, wz] = b.map((end, k) => (end - a[k]) * spacing[k]);
    const length = wx * wx + wy * wy + wz * wz;
    this.#each(box, (at, x, y, z) => {
      const dx = (x - a[0]) * sx, dy = (y - a[1]) * sy, dz = (z - a[2]) * sz;
      const share = length ? Math.min(1, Math.max(0, (dx * wx + dy * wy + dz * wz) / length)) : 0;
      const far = (dx - share * wx) ** 2 + (dy - share * wy) ** 2 + (dz - share * wz) ** 2;
      if (far <= most) set(at);
    });
    const [nx, ny] = this.shape, steps = Math.max(...b.map((end, k) => Math.abs(end - a[k])));
    for (let step = 0; step <= steps; step++) {
      const [x, y, z] = a.map((from, k) => Math.round(from + (b[k] - from) * step / (steps || 1)));
      set(x + nx * (y + ny * z));
    }
    this.#soil(box);
  }

  // From the first to the last voxel of some, and as far around as is said, within the scan.
  #box(voxels, reach) {
    return [
      reach.map((far, k) => Math.max(0, Math.min(...voxels.map(each => each[k])) - far)),
      reach.map((far, k) =>
        Math.min(this.shape[k] - 1, Math.max(...voxels.map(each => each[k])) + far)),
    ];
  }

  #each([first, last], action) {
    const [nx, ny] = this.shape;
    for (let z = first[2]; z <= last[2]; z++)
      for (let y = first[1]; y <= last[1]; y++)
        for (let x = first[0], at = x + nx * (y + ny * z); x <= last[0]; x++, at++)
          action(at, x, y, z);
  }

  #soil([first, last]) {
    const [before, after] = this.dirty ?? [first, last];
    this.dirty = [
      first.map((each, k) => Math.min(each, before[k])),
      last.map((each, k) => Math.max(each, after[k])),
    ];
  }
}
