// Without a graphics card a shader runs on the processor. NiiVue's, which turns the values of a scan
// into colours, then takes most of the time until a large scan is seen, and again at each change of
// the window; a table does it in a tenth. As quick.js this leans on the insides of NiiVue 0.69, and
// a test compares the pictures.

const SOFTWARE = /swiftshader|llvmpipe|softpipe|basic render|software/i;
const AT_ONCE = 2 ** 22; // voxels that are turned and sent at once: little memory

export function withoutCard({ gl }) {
  const known = gl.getExtension("WEBGL_debug_renderer_info");
  return SOFTWARE.test(known ? gl.getParameter(known.UNMASKED_RENDERER_WEBGL) : "");
}

export function byTable(nv) {
  const { gl } = nv, whole = nv.refreshLayers.bind(nv);
  const { drawArrays, texSubImage3D } = gl;
  nv.refreshLayers = (volume, layer) => {
    if (layer !== 0 || !suits(nv, volume)) return whole(volume, layer);
    gl.drawArrays = gl.texSubImage3D = () => {}; // it makes the texture, and leaves it empty
    try {
      whole(volume, layer);
    } finally {
      Object.assign(gl, { drawArrays, texSubImage3D });
    }
    send(nv, volume, nv.volumeTexture);
  };
}

// A scan as the server sends it: grey, one frame, its axes in the order of RAS.
function suits(nv, { img, hdr, dimsRAS, permRAS, colormap, colormapType, frame4D, opacity }) {
  return colormap === "gray" && !colormapType && !frame4D && opacity === 1
    && [Uint8Array, Int16Array, Uint16Array, Float32Array].includes(img.constructor)
    && permRAS.every((axis, at) => axis === at + 1)
    && dimsRAS.slice(1, 4).every((side, at) => side === hdr.dims[at + 1] && side <= nv.uiData.max3D);
}

// Where a value lies in the colours, in steps of them: as the shader has it, which takes what is
// above black for the second at least.
function placing({ hdr, cal_min: low, cal_max: high }) {
  const slope = hdr.scl_slope || 1, inter = hdr.scl_inter || 0;
  const range = Math.max(1e-5, Math.abs(high - low)), from = Math.min(low, high);
  return value => {
    const told = value * slope + inter, share = (told - from) / range;
    const at = 256 * (told > from ? Math.max(share, 2 / 256) : share) - 0.5;
    return Math.round(Math.min(255, Math.max(0, at)));
  };
}

function send(nv, volume, texture) {
  const { gl } = nv, { img } = volume, [, nx, ny, nz] = volume.dimsRAS;
  const colours = new Uint32Array(new Uint8Array(nv.colormap(volume.colormap)).buffer);
  const place = placing(volume), real = img instanceof Float32Array;
  const table = real ? null : Uint32Array.from({ length: 2 ** (8 * img.BYTES_PER_ELEMENT) },
    (_, bits) => colours[place(img instanceof Int16Array ? bits << 16 >> 16 : bits)]);
  const mask = real ? 0 : table.length - 1, depth = Math.max(1, Math.floor(AT_ONCE / (nx * ny)));
  const made = new Uint32Array(nx * ny * Math.min(depth, nz)), bytes = new Uint8Array(made.buffer);
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(gl.TEXTURE_3D, texture);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  for (let z = 0; z < nz; z += depth) {
    const slices = Math.min(depth, nz - z), from = z * nx * ny, count = slices * nx * ny;
    if (real) for (let i = 0; i < count; i++) made[i] = colours[place(img[from + i])];
    else for (let i = 0; i < count; i++) made[i] = table[img[from + i] & mask];
    gl.texSubImage3D(
      gl.TEXTURE_3D, 0, 0, 0, z, nx, ny, slices, gl.RGBA, gl.UNSIGNED_BYTE,
      bytes.subarray(0, 4 * count));
  }
}
