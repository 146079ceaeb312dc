// Where to look next: the places that the model doubts most, and slices that are worth a check.

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
  return `${["sagittal", "coronal", "axial"][axis]} slice ${slice}, `
    + `${open.looked.slice + 1} of ${slices.length} to check`;
}
