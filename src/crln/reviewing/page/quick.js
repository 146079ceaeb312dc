// Two things that NiiVue 0.69 does more often than the picture needs. Both lean on its insides: the
// file is pinned to that version, and tests compare the pictures.

// A texture of gradients, for lighting in 3D, is drawn at each load and each change of the window,
// though the default lighting never uses it. Without a graphics card that takes tens of seconds.
export function withoutGradients(nv) {
  const { gl, blurShader } = nv, use = blurShader.use.bind(blurShader);
  const draw = gl.drawArrays, remove = gl.deleteFramebuffer;
  blurShader.use = context => {
    use(context);
    if (nv.opts.smoothDrawing > 0) return; // the same shader smooths drawings
    gl.drawArrays = () => {};
    gl.deleteFramebuffer = buffer => {
      gl.drawArrays = draw;
      gl.deleteFramebuffer = remove;
      remove.call(gl, buffer);
    };
  };
}

// While a stroke is drawn only its plane is sent to the graphics card, not the whole volume.
export function planeByPlane(nv) {
  const whole = nv.refreshDrawing.bind(nv);
  nv.refreshDrawing = (force = true, segmenting = false) => {
    const plane = nv.drawPenAxCorSag, drawing = plane >= 0 && plane <= 2 && !segmenting;
    if (!drawing || nv.opts.smoothDrawing > 0 || nv.opts.is2DSliceShader
        || Number.isNaN(nv.drawPenLocation[0])) return whole(force, segmenting);
    const axis = 2 - plane, [, ...size] = nv.back.dims.slice(0, 4), start = [0, 0, 0];
    start[axis] = nv.frac2vox(nv.scene.crosshairPos)[axis];
    const voxels = slice(nv.drawBitmap, size, axis, start[axis]);
    size[axis] = 1;
    const { gl } = nv;
    gl.activeTexture(gl.TEXTURE7);
    gl.bindTexture(gl.TEXTURE_3D, nv.drawTexture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texSubImage3D(gl.TEXTURE_3D, 0, ...start, ...size, gl.RED, gl.UNSIGNED_BYTE, voxels);
    if (force) nv.drawScene();
  };
}

function slice(volume, [nx, ny, nz], axis, k) {
  if (axis === 2) return volume.subarray(k * nx * ny, (k + 1) * nx * ny);
  const found = new Uint8Array(axis ? nx * nz : ny * nz);
  if (axis === 1) {
    for (let z = 0; z < nz; z++) {
      const row = k * nx + z * nx * ny;
      found.set(volume.subarray(row, row + nx), z * nx);
    }
  } else {
    for (let z = 0, i = 0; z < nz; z++)
      for (let y = 0; y < ny; y++) found[i++] = volume[k + y * nx + z * nx * ny];
  }
  return found;
}
