// HTTP/1.1 responses off a stream of bytes (RFC 9112), as far as a load test needs them: bodies are counted and handed
// on in place, never gathered.

/** Status line and headers. They are searched, not parsed: of ten headers a load test looks at two or three. */
export class ResponseHead {
  private readonly lowerCase: string;

  /** `text` ends with the empty line. */
  constructor(
    readonly status: number,
    private readonly text: string,
  ) {
    this.lowerCase = text.toLowerCase();
  }

  /** The value of the first header of this lower-case name. */
  header(name: string): string | undefined {
    const line = this.lowerCase.indexOf(`\r\n${name}:`);
    if (line < 0) return undefined;
    const begin = line + name.length + 3;
    return this.text.slice(begin, this.text.indexOf("\r\n", begin)).trim();
  }
}

/** Takes a piece of a body, a view that it must not keep, with the head that came before it. */
export type BodySink = (bytes: Uint8Array, head: ResponseHead) => void;

/** What the other side sent is no HTTP/1.1 response. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** S3's headers take some hundred bytes; user metadata up to 2 KiB. */
const HEAD_SIZE_MAX = 64 << 10;
/** A chunk-size line: hex digits and maybe an extension. */
const LINE_SIZE_MAX = 256;

type State = "head" | "fixed" | "chunk-size" | "chunk-data" | "chunk-end" | "trailer" | "done";

/** Reads one response: `push` bytes until it says that the response is complete. */
export class ResponseReader {
  head: ResponseHead | undefined;
  bodySize = 0;
  private state: State = "head";
  private line = "";
  private left = 0;

  /** `bodiless`: the response to a HEAD, which has a length but no body. */
  constructor(
    private readonly bodiless: boolean,
    private readonly onBody: BodySink,
  ) {}

  /** Takes the next bytes; true once the response is complete. Throws {@link ProtocolError}. */
  push(bytes: Buffer): boolean {
    let at = 0;
    while (at < bytes.length && this.state !== "done") at = this.step(bytes, at);
    if (at < bytes.length) throw new ProtocolError("bytes came after the end of the response");
    return this.state === "done";
  }

  private step(bytes: Buffer, at: number): number {
    switch (this.state) {
      case "head":
        return this.readHead(bytes, at);
      case "fixed":
      case "chunk-data":
        return this.readBody(bytes, at);
      default:
        return this.readLine(bytes, at);
    }
  }

  private readHead(bytes: Buffer, at: number): number {
    // Four bytes of what came before, because the empty line may be split anywhere.
    const before = this.line.length;
    const seen = this.line.slice(-3);
    const found = (seen + bytes.toString("latin1", at)).indexOf("\r\n\r\n");
    const end = found < 0 ? bytes.length : at + found - seen.length + 4;
    this.line += bytes.toString("latin1", at, end);
    if (before + (end - at) > HEAD_SIZE_MAX) throw new ProtocolError(`a head over ${HEAD_SIZE_MAX} bytes`);
    if (found >= 0) this.finishHead();
    return end;
  }

  private finishHead(): void {
    const text = this.line;
    this.line = "";
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]);
    if (Number.isNaN(status)) {
      throw new ProtocolError(`"${text.split("\r\n", 1)[0]!.slice(0, 80)}" is no status line`);
    }
    if (status < 200) return; // 100 Continue: the answer follows.
    this.head = new ResponseHead(status, text);
    this.state = this.bodyState(this.head);
  }

  private bodyState(head: ResponseHead): State {
    if (this.bodiless || head.status === 204 || head.status === 304) return "done";
    if (head.header("transfer-encoding")?.toLowerCase() === "chunked") return "chunk-size";
    const length = head.header("content-length");
    if (length === undefined || !/^\d{1,15}$/.test(length)) {
      throw new ProtocolError("a response with neither Content-Length nor chunks");
    }
    this.left = Number(length);
    return this.left === 0 ? "done" : "fixed";
  }

  private readBody(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.left);
    this.onBody(bytes.subarray(at, end), this.head!);
    this.bodySize += end - at;
    this.left -= end - at;
    if (this.left === 0) this.state = this.state === "fixed" ? "done" : "chunk-end";
    return end;
  }

  private readLine(bytes: Buffer, at: number): number {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline + 1;
    this.line += bytes.toString("latin1", at, end);
    if (this.line.length > LINE_SIZE_MAX) throw new ProtocolError("a chunk line that is too long");
    if (newline >= 0) {
      const line = this.line.trimEnd();
      this.line = "";
      this.state = this.afterLine(line);
    }
    return end;
  }

  private afterLine(line: string): State {
    if (this.state === "chunk-end") return "chunk-size";
    if (this.state === "trailer") return line === "" ? "done" : "trailer";
    const size = /^[0-9a-fA-F]{1,13}(?=;|$)/.exec(line)?.[0];
    if (size === undefined) throw new ProtocolError(`"${line.slice(0, 80)}" is no chunk size`);
    this.left = Number.parseInt(size, 16);
    return this.left === 0 ? "trailer" : "chunk-data";
  }
}
