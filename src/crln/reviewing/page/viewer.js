// The scan and its outline: NiiVue, told what to show and asked for what was drawn.

import { numbersOf } from "./asking.js";
import { Brush } from "./brush.js";
import { Layers } from "./layers.js";
import { boxByBox, drawOn, withoutGradients } from "./quick.js";
import { byTable, withoutCard } from "./shade.js";
import { Strokes } from "./strokes.js";

const DRAW = 8, WINDOW = 9, CONTRAST = 1, MOVE = 3; // NiiVue's numbers of what a mouse does
const NEVER = 0, ALWAYS = 1; // NiiVue's numbers of when 3D is beside the planes
const ANY = 0, TWO_BY_TWO = 2; // and of how they lie
const MOST_IN_3D = 2 ** 23; // voxels; of more 3D takes seconds a picture without a graphics card
const OTHERS = 0.7; // of the opacity: structures that are not drawn on are fainter
const GREY = [138, 138, 138], MARK = [240, 240, 240];

function rgb(colour) {
  return [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
}

// A colour a number; the first is the background, and clear. One more is for marks that say "this is
// background" while seeds are drawn: they are saved as background.
function colours(info) {
  const of = new Map(info.classes.map(each => [each.value, each]));
  const table = { R: [], G: [], B: [], A: [], I: [], labels: [] };
  info.values.forEach((value, number) => {
    const [r, g, b] = of.has(value) ? rgb(of.get(value).colour) : GREY;
    table.R.push(r); table.G.push(g); table.B.push(b);
    table.A.push(number ? 255 : 0); table.I.push(number);
    table.labels.push(of.get(value)?.name ?? (number ? `value ${value}` : ""));
  });
  if (info.values.length < 256) {
    table.R.push(MARK[0]); table.G.push(MARK[1]); table.B.push(MARK[2]);
    table.A.push(255); table.I.push(info.values.length); table.labels.push("not this");
  }
  return globalThis.niivue.cmapper.makeDrawLut(table);
}

export class Viewer {
  constructor(canvas, { drawn, moved }) {
    this.canvas = canvas;
    this.drawn = drawn;
    this.moved = moved;
    this.opacity = 0.5;
    this.outlined = false;
    this.others = true; // of structures that overlap those that are not drawn on are shown
    this.kind = 3; // three planes and 3D
    this.pen = null;
    this.brush = new Brush();
  }

  async #made() {
    if (this.nv) return this.nv;
    const nv = new globalThis.niivue.Niivue({
      sliceType: this.kind, multiplanarShowRender: ALWAYS, show3Dcrosshair: true,
      crosshairWidth: 0.4, crosshairWidthUnit: "percent", crosshairColor: [0.35, 0.75, 1, 0.6],
      dragAndDropEnabled: false, isColorbar: false, logLevel: "warn", maxDrawUndoBitmaps: 2,
      backColor: [0, 0, 0, 1],
      mouseEventConfig: {
        leftButton: { primary: DRAW, withShift: WINDOW, withCtrl: MOVE },
        rightButton: CONTRAST, centerButton: MOVE,
      },
    });
    nv.keyDownListener = nv.keyUpListener = () => {}; // keys are the page's, wherever the mouse is
    await nv.attachToCanvas(this.canvas);
    withoutGradients(nv);
    this.slow = withoutCard(nv);
    if (this.slow) byTable(nv);
    this.brush.attach(nv);
    boxByBox(nv, this.brush);
    nv.onLocationChange = place => {
      if (place.axCorSag >= 0 && place.axCorSag <= 2) this.touched = 2 - place.axCorSag;
      this.moved(place);
    };
    // A stroke that leaves the picture ends there: NiiVue itself would neither note nor tell it.
    document.addEventListener("mouseleave", event => {
      const drawing = nv.opts.drawingEnabled && !Number.isNaN(nv.drawPenLocation[0]);
      if (event.target === this.canvas && drawing) nv.mouseUpListener();
    }, true);
    this.canvas.addEventListener("mouseup", () => this.#note());
    this.nv = nv;
    return nv;
  }

  // A stroke has ended: where it was not to draw, the drawing is as before.
  #note() {
    if (this.strokes?.note((at, number) => this.brush.may(at, number))) this.drawn();
    if (this.strokes?.refused) this.nv.refreshDrawing(true);
  }

  // Draws by a rule: what it has changed is one stroke, and never of a locked class.
  change(rule) {
    if (!this.strokes) return 0;
    rule(this.nv.drawBitmap);
    const changed = this.strokes.note((at, number) => !this.brush.locked.has(number));
    this.nv.refreshDrawing(true);
    if (changed) this.drawn();
    return changed;
  }

  // The axis of the plane that is looked at, or was touched last where there are three.
  get axis() { return this.kind <= 2 ? 2 - this.kind : this.touched ?? 2; }

  // Shows a case; `scan` is an address, `outline` tells that of the outline, or of a structure's.
  async show(info, scan, outline) {
    const nv = await this.#made(), before = this.layer;
    this.info = info;
    this.strokes = this.layers = null;
    const heavy = this.slow && info.shape.reduce((all, side) => all * side) > MOST_IN_3D;
    nv.opts.multiplanarShowRender = heavy ? NEVER : ALWAYS;
    nv.opts.multiplanarLayout = heavy ? ANY : TWO_BY_TWO;
    nv.setDrawingEnabled(false);
    nv.closeDrawing();
    nv.drawLut = colours(info);
    const { low, high } = info.windows[0];
    await nv.loadVolumes([
      { url: scan, name: "scan.nii", colormap: "gray", cal_min: low, cal_max: high },
    ]);
    if (info.layers.length) this.layers = await Layers.loaded(nv, info, outline, before);
    else drawOn(nv, await numbersOf(outline()));
    this.strokes = new Strokes(() => nv.drawBitmap, this.layer, layer => this.turn(layer));
    this.brush.show(info);
    this.look();
    this.take(this.pen <= info.values.length ? this.pen : null, this.filled);
  }

  get numbers() { return this.nv.drawBitmap; }

  // The structure that is drawn on, where they overlap; else null.
  get layer() { return this.layers?.at ?? null; }

  // Of structures that overlap another one is drawn on.
  turn(structure) {
    if (!this.layers || structure === this.layer) return;
    this.strokes.note();
    this.layers.turn(structure);
    this.strokes.turn(structure);
    this.nv.refreshDrawing(true);
    this.turned?.(structure);
  }

  // What is kept of a drawing: a mark that something is background is background.
  kept(layer = this.layer) {
    const mark = this.info.values.length, numbers = this.layers?.numbers.get(layer) ?? this.numbers;
    return numbers.includes(mark) ? numbers.map(each => (each === mark ? 0 : each)) : numbers;
  }

  // Draws with a class's number; 0 erases; null only looks.
  take(number, filled = false) {
    this.pen = number;
    this.filled = filled;
    if (!this.strokes) return;
    if (this.info.layers.includes(number)) this.turn(number); // whose number is its value
    this.nv.setDrawingEnabled(number !== null);
    if (number !== null) this.nv.setPenValue(number, filled);
  }

  look() {
    if (!this.nv) return;
    this.nv.drawRimOpacity = this.outlined ? 1 : -1;
    const faint = this.outlined && this.opacity > 0 ? 0.01 : this.opacity;
    this.nv.setDrawOpacity(this.hidden ? 0 : faint);
    const opacity = this.hidden || !this.others ? 0 : this.opacity * OTHERS;
    this.layers?.look(this.outlined && opacity ? OTHERS : opacity, this.outlined);
  }

  // What is black and white.
  window(low, high) {
    if (!this.nv?.volumes.length) return;
    const [scan] = this.nv.volumes;
    scan.cal_min = low;
    scan.cal_max = high;
    this.nv.updateGLVolume();
  }

  // Lays a map over the scan, or takes it away where there is no address.
  async overlay(kind, address, colormap, least) {
    const { nv } = this, before = nv.volumes.find(each => each.name === `${kind}.nii.gz`);
    if (before) nv.removeVolume(before);
    if (address)
      await nv.addVolumeFromUrl({
        url: address, name: `${kind}.nii.gz`, colormap, opacity: 0.5, cal_min: least, cal_max: 255,
      });
  }

  view(kind) {
    this.kind = kind;
    this.nv?.setSliceType(kind);
  }

  // To a voxel, in the order of RAS.
  go(voxel) {
    const { nv } = this;
    nv.scene.crosshairPos = nv.vox2frac(voxel);
    nv.drawScene();
    nv.createOnLocationChange();
  }

  get voxel() { return [...this.nv.frac2vox(this.nv.scene.crosshairPos)]; }

  step(axis, by) {
    const voxel = this.voxel;
    voxel[axis] = Math.min(this.info.shape[axis] - 1, Math.max(0, voxel[axis] + by));
    this.go(voxel);
  }

  undo() { return this.#redrawn(this.strokes?.undo()); }

  redo() { return this.#redrawn(this.strokes?.redo()); }

  #redrawn(done) {
    if (!done) return false;
    this.nv.refreshDrawing(true);
    this.drawn();
    return true;
  }
}
