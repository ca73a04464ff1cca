// XML as S3 answers it: built by concatenation, every leaf escaped.

const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

// A carriage return would be normalised to a line feed by the reader (XML 1.0, 2.11), so it travels as a reference.
// Other control characters have no place in XML 1.0; S3 sends them as references and clients ask for `encoding-type=url`.
// biome-ignore lint/suspicious/noControlCharactersInRegex: keys may hold control characters, and they must not go out raw
const SPECIAL = /[&<>"\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]/g;

function reference(character: string): string {
  switch (character) {
    case "&":
      return "&amp;";
    case "<":
      return "&lt;";
    case ">":
      return "&gt;";
    case '"':
      return "&quot;";
    default:
      return `&#${character.charCodeAt(0)};`;
  }
}

export function escapeXml(text: string): string {
  return text.replace(SPECIAL, reference);
}

/** `<name>value</name>`, escaped; nothing at all for undefined. */
export function tag(name: string, value: string | number | boolean | undefined): string {
  if (value === undefined) return "";
  return `<${name}>${typeof value === "string" ? escapeXml(value) : value}</${name}>`;
}

/** `<name>` around elements that are XML already. */
export function branch(name: string, ...children: string[]): string {
  return `<${name}>${children.join("")}</${name}>`;
}

export function document(root: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root}`;
}

/** A whole document whose root is in S3's namespace. */
export function s3Document(root: string, ...children: string[]): string {
  return document(`<${root} xmlns="${NAMESPACE}">${children.join("")}</${root}>`);
}

/** `2009-10-12T17:50:30.000Z`. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
