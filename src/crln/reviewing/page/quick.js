// Three things that NiiVue 0.69 does more often than the picture needs. Both lean on its insides: the
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

// Numbers that were read become the drawing as they are, without the copies by way of an image.
export function drawOn(nv, numbers) {
  const { dims } = nv.back, { gl } = nv;
  if (numbers.length !== dims[1] * dims[2] * dims[3])
    throw new Error("its outline does not fit the scan");
  nv.drawClearAllUndoBitmaps();
  nv.drawBitmap = numbers;
  const made = nv.opts.is2DSliceShader ? "r8Tex2D" : "r8Tex";
  nv.drawTexture = nv[made](nv.drawTexture, gl.TEXTURE7, dims, true);
  nv.drawAddUndoBitmap();
  nv.refreshDrawing();
}

// While a stroke is drawn only what it has drawn on is sent to the graphics card, not the volume.
export function boxByBox(nv, brush) {
  const whole = nv.refreshDrawing.bind(nv);
  nv.refreshDrawing = (force = true, segmenting = false) => {
    const { dirty } = brush, drawing = nv.drawPenAxCorSag >= 0 && !segmenting;
    brush.dirty = null;
    if (!drawing || nv.opts.smoothDrawing > 0 || nv.opts.is2DSliceShader
        || Number.isNaN(nv.drawPenLocation[0])) return whole(force, segmenting);
    if (dirty) send(nv, ...dirty);
    if (force) nv.drawScene();
  };
}

function send({ gl, back, drawTexture, drawBitmap }, first, last) {
  const size = last.map((end, axis) => end - first[axis] + 1);
  const within = {
    UNPACK_ALIGNMENT: 1, UNPACK_ROW_LENGTH: back.dims[1], UNPACK_IMAGE_HEIGHT: back.dims[2],
    UNPACK_SKIP_PIXELS: first[0], UNPACK_SKIP_ROWS: first[1], UNPACK_SKIP_IMAGES: first[2],
  };
  for (const [name, value] of Object.entries(within)) gl.pixelStorei(gl[name], value);
  gl.activeTexture(gl.TEXTURE7);
  gl.bindTexture(gl.TEXTURE_3D, drawTexture);
  gl.texSubImage3D(
    gl.TEXTURE_3D, 0, ...first, ...size, gl.RED, gl.UNSIGNED_BYTE, drawBitmap);
  for (const name of Object.keys(within).slice(1)) gl.pixelStorei(gl[name], 0); // as NiiVue has it
}
