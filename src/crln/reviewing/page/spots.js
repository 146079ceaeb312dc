// Where one is, and where to look next: what the model doubts most, slices that are worth a check.

// What slices are called, by the axis of RAS that they lie across.
export const PLANES = ["sagittal", "coronal", "axial"];

// World millimetres and voxel under the crosshair, in words.
export function placeOf(info, vox) {
  const voxel = [...vox].slice(0, 3).map(Math.round);
  const told = [`voxel ${voxel.join(", ")}`];
  if (info.affine) {
    const world = info.affine.slice(0, 3)
      .map(row => row[0] * voxel[0] + row[1] * voxel[1] + row[2] * voxel[2] + row[3]);
    told.unshift(`${world.map(mm => mm.toFixed(1)).join(", ")} mm (right, front, top)`);
  }
  return told.join("  ·  ");
}

// The most doubtful place, then the next; of an older mask the axial slice.
export function nextPlace(open) {
  const { spots, doubt } = open.info;
  open.looked ??= { place: -1, slice: -1 };
  const at = open.looked;
  if (spots.length) {
    at.place = (at.place + 1) % spots.length;
    open.viewer.go(spots[at.place]);
    return `doubtful place ${at.place + 1} of ${spots.length}`;
  }
  const known = (doubt[2] ?? []).map((sum, k) => ({ sum, k })).filter(each => each.sum > 0)
    .sort((a, b) => b.sum - a.sum);
  if (!known.length) return "no place is known to be doubtful";
  at.place = (at.place + 1) % known.length;
  const [x, y] = open.viewer.voxel, { k } = known[at.place];
  open.viewer.go([x, y, k]);
  return `slice ${k}`;
}

// The slices to check, one after the other along the axis of the thickest.
export function nextSlice(open) {
  const { axis, slices } = open.info.to_check;
  open.looked ??= { place: -1, slice: -1 };
  if (!slices.length) return "no slice is known to need a check";
  open.looked.slice = (open.looked.slice + 1) % slices.length;
  const voxel = open.viewer.voxel, slice = slices[open.looked.slice];
  voxel[axis] = slice;
  open.viewer.go(voxel);
  return `${PLANES[axis]} slice ${slice}, `
    + `${open.looked.slice + 1} of ${slices.length} to check`;
}
