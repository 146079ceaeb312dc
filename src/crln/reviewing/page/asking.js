// What the page asks its server for; every address is relative, and holds the token by that.

export class Asked extends Error {
  constructor(status, why) {
    super(why);
    this.status = status;
  }
}

async function answered(request) {
  let reply;
  try {
    reply = await request;
  } catch {
    throw new Asked(0, "the server does not answer; is crln review still running?");
  }
  if (!reply.ok) throw new Asked(reply.status, await reply.text());
  return reply;
}

export const ofCase = (id, what = "") =>
  `api/cases/${encodeURIComponent(id)}${what && `/${what}`}`;

export async function get(path) {
  return (await answered(fetch(path, { cache: "no-store" }))).json();
}

// Says something; of a case, which version of it was looked at.
export async function say(method, path, content, version) {
  const headers = { "Content-Type": "application/json" };
  if (version !== undefined) headers["If-Match"] = `"${version}"`;
  const body = content === undefined ? undefined : JSON.stringify(content);
  return (await answered(fetch(path, { method, headers, body }))).json();
}

async function packed(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const HEADER = 352; // bytes of a file before its numbers

// The numbers of an outline, whose file the server has packed.
export async function numbersOf(path) {
  const { body } = await answered(fetch(path, { cache: "no-store" }));
  const plain = body.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer(), HEADER);
}

// The slices from the first to the last that hold anything, and which these are: the others of a
// large scan need not be packed.
function slices(numbers, [nx, ny, nz]) {
  const words = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length >> 2);
  let first = 0, last = words.length - 1;
  while (first < last && !words[first]) first++;
  while (last > first && !words[last]) last--;
  const plane = nx * ny, from = Math.floor(4 * first / plane);
  const odd = numbers.subarray(4 * words.length).some(Boolean); // what is no whole word
  const to = odd ? nz : Math.min(nz, Math.floor(Math.max(0, 4 * last + 3) / plane) + 1);
  return { part: numbers.subarray(plane * from, plane * to), from, to };
}

// What a tool of the server makes of a drawing: a number a voxel.
export async function made(id, tool, numbers, shape, told) {
  const { part, from, to } = slices(numbers, shape);
  const query = new URLSearchParams({ ...told, from, to });
  const request = fetch(`${ofCase(id, tool)}?${query}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: await packed(part),
  });
  const { body } = await answered(request);
  const plain = body.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

// Sends a drawing: numbers into `values`, one a voxel, and which slices are done; where structures
// overlap, of which one it is.
export async function send(id, numbers, { values, shape, version, round, seconds, done, layer }) {
  const { part, from, to } = slices(numbers, shape);
  const query = new URLSearchParams({ values: values.join(","), seconds, from, to });
  if (layer !== null) query.set("structure", layer);
  if (round !== null && round !== undefined) query.set("round", round);
  if (done.at.length) {
    query.set("slices", done.at.join(","));
    query.set("axis", done.axis);
  }
  const request = fetch(`${ofCase(id, "drawing")}?${query}`, {
    method: "PUT",
    headers: { "If-Match": `"${version}"`, "Content-Type": "application/octet-stream" },
    body: await packed(part),
  });
  return (await answered(request)).json();
}
