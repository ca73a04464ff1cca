/** Below this the collector does as well, bytes. */
const SIZE_MIN = 16 << 10;

/**
 * Gives the memory of `bytes` back at once, when they are all of their buffer; the caller is the last to have them, and
 * whoever looks nevertheless finds them empty. Left to the collector, which goes by the number of bytes allocated and
 * not by what is needed, buffers of a fast stream pile up to hundreds of MiB.
 */
export function freeBuffer(bytes: Uint8Array): void {
  if (bytes.length < SIZE_MIN) return;
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) buffer.transfer(0);
}
