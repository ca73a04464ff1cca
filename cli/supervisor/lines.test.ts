import { expect, test } from "bun:test";
import { eachLine, LINE_SIZE_MAX } from "./lines.ts";

async function linesOf(...pieces: (string | Uint8Array)[]): Promise<string[]> {
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(Buffer.from(piece));
      controller.close();
    },
  });
  const lines: string[] = [];
  await eachLine(stream, (line) => lines.push(line));
  return lines;
}

test("lines are put together from pieces, the last one without an end too", async () => {
  expect(await linesOf("a", "b\nc\n", "\n", "d")).toEqual(["ab", "c", "", "d"]);
});

test("a character whose bytes came apart is whole", async () => {
  const bytes = Buffer.from("é\n");
  expect(await linesOf(bytes.subarray(0, 1), bytes.subarray(1))).toEqual(["é"]);
});

test("a line without an end is held to its limit, and the next one is whole", async () => {
  const piece = "x".repeat(10_000);
  const [long, next] = await linesOf(piece, piece, piece, "\nshort\n");
  expect(long).toBe("x".repeat(LINE_SIZE_MAX));
  expect(next).toBe("short");
});
