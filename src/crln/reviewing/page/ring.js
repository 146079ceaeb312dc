// A ring around the mouse, as wide as the pen.

const APART = 20; // pixels between two looks at where the picture's millimetres are

export class Ring {
  constructor(viewer, ring) {
    this.viewer = viewer;
    this.ring = ring;
    const { canvas } = viewer;
    canvas.addEventListener("mousemove", event => this.#move(event));
    canvas.addEventListener("mouseleave", () => { ring.hidden = true; });
  }

  #move({ offsetX: x, offsetY: y }) {
    const { viewer, ring } = this, { pen, filled, brush } = viewer;
    const scale = pen === null || filled || !viewer.strokes ? null : this.#scale(x, y);
    ring.hidden = scale === null;
    if (ring.hidden) return;
    const radius = brush.radius(scale.axis) / scale.mm;
    ring.style.width = ring.style.height = `${2 * radius}px`;
    ring.style.left = `${x - radius}px`;
    ring.style.top = `${y - radius}px`;
  }

  // Of the plane under the mouse its axis, and the millimetres of a pixel; null where there is none.
  #scale(x, y) {
    const { nv, info } = this.viewer, dots = nv.uiData.dpr;
    for (let tile = 0; tile < nv.screenSlices.length; tile++) {
      const axis = 2 - nv.screenSlices[tile].axCorSag;
      if (axis < 0) continue; // 3D
      const at = across => nv.screenXY2TextureFrac((x + across) * dots, y * dots, tile, true);
      const here = at(0), there = [APART, -APART].map(at).find(each => each[0] >= 0);
      if (here[0] < 0 || !there) continue;
      const mm = Math.hypot(...[0, 1, 2].map(k =>
        (there[k] - here[k]) * info.shape[k] * info.spacing[k])) / APART;
      return mm > 0 ? { axis, mm } : null;
    }
    return null;
  }
}
