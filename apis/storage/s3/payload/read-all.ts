import type { VerifiedBody } from "./body.ts";
import { PayloadError } from "./errors.ts";

/** The whole verified body, for XML. Throws {@link PayloadError}, `EntityTooLarge` over `bytesMax`. */
export async function readBody(body: VerifiedBody, bytesMax: number): Promise<Buffer> {
  if (body.length !== undefined && body.length > bytesMax) throw tooLarge(bytesMax);
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body.stream) {
    length += piece.length;
    if (length > bytesMax) throw tooLarge(bytesMax);
    pieces.push(Buffer.from(piece)); // the next one takes the place of this one
  }
  return Buffer.concat(pieces, length);
}

function tooLarge(bytesMax: number): PayloadError {
  return new PayloadError("EntityTooLarge", `The body of this request must not exceed ${bytesMax} bytes.`, {
    MaxSizeAllowed: String(bytesMax),
  });
}
