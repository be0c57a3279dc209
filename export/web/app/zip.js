// The zip that TFLite metadata appends to a file: labels and the like.

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const DEFLATED = 8;

/** Files of a zip archive at the end of `bytes`, by name; none where there is no zip. */
export async function unzip(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const files = new Map();
  let tail = bytes.byteLength - 22;
  const lowest = Math.max(0, tail - 0xffff);
  while (tail >= lowest && view.getUint32(tail, true) !== END) tail -= 1;
  if (tail < lowest) return files;
  const count = view.getUint16(tail + 10, true);
  const size = view.getUint32(tail + 12, true);
  // Offsets count from the archive's start or the file's: the directory ends at `tail`.
  let place = tail - size;
  const shift = place - view.getUint32(tail + 16, true);
  for (let index = 0; index < count; index += 1) {
    if (view.getUint32(place, true) !== ENTRY) break;
    const method = view.getUint16(place + 10, true);
    const packed = view.getUint32(place + 20, true);
    const nameSize = view.getUint16(place + 28, true);
    const rest = view.getUint16(place + 30, true) + view.getUint16(place + 32, true);
    const local = view.getUint32(place + 42, true) + shift;
    const name = new TextDecoder().decode(bytes.subarray(place + 46, place + 46 + nameSize));
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const content = bytes.subarray(start, start + packed);
    files.set(name, method === DEFLATED ? await inflate(content) : content);
    place += 46 + nameSize + rest;
  }
  return files;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
