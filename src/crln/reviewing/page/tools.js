// What tools do to a drawing: numbers, one a voxel, the first axis of RAS fastest. Each works on one
// class, in the box that holds it, and writes into the numbers that it is given.

const AT_ONCE = { 6: 1, 26: 3 }; // axes along which a neighbour may lie elsewhere

// Steps to the neighbours of a voxel along some axes, 6 or 26 of them where that is all three.
function steps([nx, ny], kind, axes = [0, 1, 2]) {
  const found = [], by = [1, nx, nx * ny], moves = [-1, 0, 1];
  for (const z of moves) for (const y of moves) for (const x of moves) {
    const move = [x, y, z], moved = move.filter(Boolean).length;
    if (!moved || moved > AT_ONCE[kind] || move.some((m, k) => m && !axes.includes(k))) continue;
    found.push(move.reduce((sum, m, k) => sum + m * by[k], 0));
  }
  return found;
}

function each([nx, ny, nz], action) {
  for (let z = 0, at = 0; z < nz; z++)
    for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++, at++) action(at, x, y, z);
}

// The first and the last voxel of the box that holds a class; null where there is none.
export function boxOf(numbers, [nx, ny, nz], number) {
  const first = [nx, ny, nz], last = [-1, -1, -1];
  for (let z = 0, at = 0; z < nz; z++) for (let y = 0; y < ny; y++, at += nx) {
    const row = numbers.subarray(at, at + nx), x = row.indexOf(number);
    if (x < 0) continue;
    for (const voxel of [[x, y, z], [row.lastIndexOf(number), y, z]]) {
      voxel.forEach((side, k) => {
        first[k] = Math.min(first[k], side);
        last[k] = Math.max(last[k], side);
      });
    }
  }
  return last[0] < 0 ? null : [first, last];
}

// A class as 1 in an array of its own, with a rim of so many 0 around it; `back` says of an action
// on its voxels where they are in the drawing, for those that are in the scan.
function cut(numbers, shape, number, rim) {
  const box = boxOf(numbers, shape, number);
  if (!box) return null;
  const from = box[0].map(side => side - rim);
  const size = box[1].map((side, k) => side - from[k] + 1 + rim);
  const [nx, ny, nz] = shape, mask = new Uint8Array(size[0] * size[1] * size[2]);
  const back = action => each(size, (at, i, j, k) => {
    const x = from[0] + i, y = from[1] + j, z = from[2] + k;
    if (x >= 0 && y >= 0 && z >= 0 && x < nx && y < ny && z < nz)
      action(x + nx * (y + ny * z), at);
  });
  back((place, at) => { mask[at] = Number(numbers[place] === number); });
  return { mask, size, back };
}

// Goes from voxels to all that can be reached and are `from`, and calls each `to`; how many these
// are. The starts are `to` already. A rim keeps it within the array.
function flood(mask, starts, from, to, moves) {
  let stack = Int32Array.from(starts), top = stack.length, count = 0;
  while (top) {
    const at = stack[--top];
    count += 1;
    if (top + moves.length > stack.length) {
      const larger = new Int32Array(2 * stack.length + moves.length);
      larger.set(stack);
      stack = larger;
    }
    for (let k = 0; k < moves.length; k++) {
      const next = at + moves[k];
      if (mask[next] !== from) continue;
      mask[next] = to;
      stack[top++] = next;
    }
  }
  return count;
}

const VISITED = 2, KEPT = 3;

// Of a class only the largest piece stays; voxels that share a corner are of one piece.
export function keepLargest(numbers, shape, number) {
  const found = cut(numbers, shape, number, 1);
  if (!found) return;
  const { mask, size, back } = found, moves = steps(size, 26);
  let most = 0, largest = -1, pieces = 0;
  for (let at = mask.indexOf(1); at >= 0; at = mask.indexOf(1, at), pieces++) {
    mask[at] = VISITED;
    const count = flood(mask, [at], 1, VISITED, moves);
    if (count > most) [most, largest] = [count, at];
  }
  if (pieces < 2) return;
  mask[largest] = KEPT;
  flood(mask, [largest], VISITED, KEPT, moves);
  back((place, at) => { if (mask[at] === VISITED) numbers[place] = 0; });
}

// Background that a class encloses becomes the class: in space, or in each slice across an axis.
export function fillHoles(numbers, shape, number, across = null) {
  const found = cut(numbers, shape, number, 1);
  if (!found) return;
  const { mask, size, back } = found, axes = [0, 1, 2].filter(axis => axis !== across);
  const rim = [];
  each(size, (at, x, y, z) => { // which is outside; its steps may lead to another side, or nowhere
    const voxel = [x, y, z];
    for (const k of axes) if (voxel[k] === 0 || voxel[k] === size[k] - 1) return rim.push(at);
  });
  for (const at of rim) mask[at] = VISITED;
  flood(mask, rim, 0, VISITED, steps(size, 6, axes));
  back((place, at) => { if (!mask[at] && !numbers[place]) numbers[place] = number; });
}

const REACH = 2; // voxels that a blur looks at, to either side
const EVEN = 1e-5; // this close to a half, a voxel stays what it is

// A class is blurred by a Gaussian as wide as the finest voxel; what is more than half of it after
// that is the class, and what was the class before and is less is background.
export function smooth(numbers, shape, number, spacing) {
  const found = cut(numbers, shape, number, REACH);
  if (!found) return;
  const { mask, size, back } = found, finest = Math.min(...spacing);
  const by = [1, size[0], size[0] * size[1]];
  let blurred = Float32Array.from(mask);
  spacing.forEach((side, axis) => {
    blurred = blur(blurred, by[axis], weights(side / finest));
  });
  back((place, at) => {
    if (mask[at] && blurred[at] < 0.5 - EVEN) numbers[place] = 0;
    else if (blurred[at] > 0.5 + EVEN && !numbers[place]) numbers[place] = number;
  });
}

function weights(side) {
  const found = [];
  for (let step = -REACH; step <= REACH; step++) found.push(Math.exp(-((step * side) ** 2) / 2));
  const sum = found.reduce((a, b) => a + b);
  return found.map(weight => weight / sum);
}

// Along one axis. The rim of 0 is as wide as the blur, so what wraps around adds nothing.
function blur(from, by, of) {
  const to = new Float32Array(from.length);
  of.forEach((weight, k) => {
    const step = (k - REACH) * by, end = Math.min(from.length, from.length - step);
    for (let at = Math.max(0, -step); at < end; at++) to[at] += weight * from[at + step];
  });
  return to;
}

// The piece that a voxel is of becomes another class; or all of its class does.
export function swap(numbers, shape, voxel, to, all = false) {
  const [nx, ny] = shape, start = voxel[0] + nx * (voxel[1] + ny * voxel[2]), from = numbers[start];
  if (from === to) return;
  if (all) {
    for (let at = 0; at < numbers.length; at++) if (numbers[at] === from) numbers[at] = to;
    return;
  }
  const { mask, size, back } = cut(numbers, shape, from, 1);
  let at = 0;
  back((place, here) => { if (place === start) at = here; });
  mask[at] = KEPT;
  flood(mask, [at], 1, KEPT, steps(size, 26));
  back((place, here) => { if (mask[here] === KEPT) numbers[place] = to; });
}

// In a slice across an axis a class becomes what it is in another slice.
export function copySlice(numbers, shape, number, axis, from, to) {
  const by = [1, shape[0], shape[0] * shape[1]], step = (to - from) * by[axis];
  const plane = shape.map((side, k) => (k === axis ? 1 : side));
  each(plane, (_, x, y, z) => {
    const at = x * by[0] + y * by[1] + z * by[2] + from * by[axis];
    if (numbers[at] === number) numbers[at + step] = number;
    else if (numbers[at + step] === number) numbers[at + step] = 0;
  });
}
