import { expect, test } from "bun:test";
import { S3Error } from "./errors.ts";
import { XmlElement } from "./xml-read.ts";
import { branch, escapeXml, s3Document, tag } from "./xml-write.ts";

function keys(xml: string): (string | undefined)[] {
  return XmlElement.parse(Buffer.from(xml), "Delete")
    .all("Object")
    .map((element) => element.text("Key"));
}

function code(xml: string | Uint8Array, root = "Delete"): string {
  try {
    const element = XmlElement.parse(Buffer.from(xml as string), root);
    element.all("Object").map((each) => each.requiredText("Key"));
    return "accepted";
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
}

test("keys are read as they are: spaces, references, CDATA, numbers, any namespace prefix", () => {
  const xml = `<?xml version="1.0"?><!-- c --><s:Delete xmlns:s="x">
    <s:Object><s:Key> a&amp;b&#13;&#xA;&lt;&quot;&apos;&#x1F600; </s:Key></s:Object>
    <s:Object><s:Key><![CDATA[a&amp;b]]></s:Key></s:Object>
    <s:Object><s:Key>007</s:Key></s:Object>
    <s:Object><s:Key></s:Key></s:Object></s:Delete>`;
  expect(keys(xml)).toEqual([` a&b\r\n<"'\u{1F600} `, "a&amp;b", "007", ""]);
});

test("a reference is decoded once", () => {
  expect(keys("<Delete><Object><Key>&amp;lt;&amp;#38;</Key></Object></Delete>")).toEqual(["&lt;&#38;"]);
});

test.each([
  ["nothing", ""],
  ["no XML", "hello"],
  ["an unclosed element", "<Delete><Object></Delete>"],
  ["another root", "<Remove></Remove>"],
  ["two roots", "<Delete></Delete><Delete></Delete>"],
  ["a document type", '<!DOCTYPE Delete [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>'],
  ["an unknown entity", "<Delete><Object><Key>&nbsp;</Key></Object></Delete>"],
  ["a bare ampersand", "<Delete><Object><Key>a&b</Key></Object></Delete>"],
  ["a reference to no character", "<Delete><Object><Key>&#0;</Key></Object></Delete>"],
  ["a surrogate", "<Delete><Object><Key>&#xD800;</Key></Object></Delete>"],
  ["elements where text should be", "<Delete><Object><Key><a/></Key></Object></Delete>"],
  ["a missing key", "<Delete><Object></Object></Delete>"],
  ["a key given twice", "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>"],
  ["deep nesting", `${"<Delete>".repeat(100)}${"</Delete>".repeat(100)}`],
  ["a reserved property name", "<Delete><__proto__><Object/></__proto__></Delete>"],
])("%s is MalformedXML", (_, xml) => {
  expect(code(xml)).toBe("MalformedXML");
});

test("bytes that are no UTF-8 are MalformedXML", () => {
  const bytes = Buffer.concat([
    Buffer.from("<Delete><Object><Key>"),
    Buffer.from([0xff]),
    Buffer.from("</Key></Object></Delete>"),
  ]);
  expect(code(bytes)).toBe("MalformedXML");
});

test("what is inherited is no element", () => {
  const root = XmlElement.parse(Buffer.from("<Delete><a>1</a></Delete>"), "Delete");
  expect(root.text("toString")).toBeUndefined();
  expect(root.all("constructor")).toEqual([]);
});

test("leaves are escaped, so that any key survives a reader", () => {
  expect(escapeXml(`a&b<c>d"e'f\r\n\t`)).toBe("a&amp;b&lt;c&gt;d&quot;e'f&#13;\n\t");
  expect(escapeXml("\x01\uffff")).toBe("&#1;&#65535;");
  const key = ` <&>"'\r\n\t\u{1F600}`;
  expect(keys(s3Document("Delete", branch("Object", tag("Key", key))))).toEqual([key]);
});

test("an undefined leaf is left away, an empty one is not", () => {
  expect(tag("A", undefined) + tag("B", "") + tag("C", false) + tag("D", 0)).toBe(
    "<B></B><C>false</C><D>0</D>",
  );
});
