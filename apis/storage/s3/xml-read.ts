// XML request bodies, from anybody: no document type, no entities but XML's own five, bounded size and depth.
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { S3Error } from "./errors.ts";

export const XML_SIZE_MAX = 2 << 20;
const DEPTH_MAX = 8;
const CDATA = "#cdata";

/** Elements that may be given more than once in the documents that S3 takes. */
const REPEATED: ReadonlySet<string> = new Set(["Part", "Object"]);

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  // Keys mean what they say: "007" is no number and " a" starts with a space.
  parseTagValue: false,
  trimValues: false,
  // Decoded by `decodeReferences` below, once.
  processEntities: false,
  cdataPropName: CDATA,
  maxNestedTags: DEPTH_MAX,
  isArray: (name) => REPEATED.has(name),
});

function malformed(why?: string, cause?: unknown): S3Error {
  return new S3Error("MalformedXML", why && `The XML you provided was not well-formed: ${why}`, { cause });
}

/** One element; reads of a child that is missing give undefined, of one that is of another shape throw. */
export class XmlElement {
  private constructor(private readonly node: unknown) {}

  /** The root element, which must be `name`. Throws {@link S3Error} `MalformedXML`. */
  static parse(bytes: Uint8Array, name: string): XmlElement {
    let text: string;
    let tree: Record<string, unknown>;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (cause) {
      throw malformed("it is not UTF-8", cause);
    }
    if (/<!\s*(DOCTYPE|ENTITY)/i.test(text)) throw malformed("a document type is not accepted");
    if (XMLValidator.validate(text) !== true) throw malformed();
    try {
      tree = parser.parse(text);
    } catch (cause) {
      throw malformed(undefined, cause);
    }
    const roots = Object.keys(tree).filter((key) => !key.startsWith("?") && key !== "#text");
    if (roots.length !== 1 || roots[0] !== name) throw malformed(`its root must be one ${name}`);
    return new XmlElement(tree[name]);
  }

  /** The children called `name`. */
  all(name: string): XmlElement[] {
    const child = this.child(name);
    if (child === undefined) return [];
    return (Array.isArray(child) ? child : [child]).map((node) => new XmlElement(node));
  }

  /** The text of the only child called `name`, references decoded; undefined when there is none. */
  text(name: string): string | undefined {
    const child = this.child(name);
    if (child === undefined) return undefined;
    if (typeof child === "string") return decodeReferences(child);
    const cdata = typeof child === "object" && child !== null ? Object.entries(child) : [];
    if (cdata.length === 1 && cdata[0]![0] === CDATA) return String(cdata[0]![1]);
    throw malformed(`${name} must be one text`);
  }

  /** As {@link text}, but there must be one. */
  requiredText(name: string): string {
    const text = this.text(name);
    if (text === undefined) throw malformed(`${name} is missing`);
    return text;
  }

  private child(name: string): unknown {
    if (typeof this.node !== "object" || this.node === null) return undefined;
    return Object.hasOwn(this.node, name) ? (this.node as Record<string, unknown>)[name] : undefined;
  }
}

const NAMED: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const REFERENCE = /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|([a-z]{2,4}));|&/g;

function decodeReferences(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(REFERENCE, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined && Object.hasOwn(NAMED, name)) return NAMED[name]!;
    const code = hex ? Number.parseInt(hex, 16) : decimal ? Number(decimal) : Number.NaN;
    if (!(code > 0 && code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) {
      throw malformed(`${whole} is not a character`);
    }
    return String.fromCodePoint(code);
  });
}
