/** Longer lines are cut there: one role must not fill the memory of all. */
export const LINE_SIZE_MAX = 16 << 10;

/**
 * Hands over each line of `stream` as it comes, without its end; ends when the stream does.
 * What a line has beyond {@link LINE_SIZE_MAX} bytes is left out.
 */
export async function eachLine(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  let held: Uint8Array[] = [];
  let heldSize = 0;
  const hold = (bytes: Uint8Array): void => {
    const room = LINE_SIZE_MAX - heldSize;
    if (room <= 0 || bytes.length === 0) return;
    held.push(bytes.length > room ? bytes.subarray(0, room) : bytes);
    heldSize += Math.min(bytes.length, room);
  };
  const finish = (): void => {
    const line = held.length === 1 ? held[0]! : Buffer.concat(held);
    held = [];
    heldSize = 0;
    onLine(Buffer.from(line.buffer, line.byteOffset, line.length).toString("utf8"));
  };
  for await (const bytes of stream) {
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      hold(bytes.subarray(start, end));
      finish();
      start = end + 1;
    }
    hold(bytes.subarray(start));
  }
  if (heldSize > 0) finish();
}
