import { expect, test } from "bun:test";
import { findPlace, lineOf } from "./policy-place.ts";

const POLICY = `{
  "Version": "2012-10-17",
  "Statement": [
    { "Effect": "Allow", "Action": "a:b", "Resource": [] },
    {
      "Effect": "Deny",
      "Action": ["s3:Get", "]: {\\"quoted\\""],
      "Condition": { "Bool": { "aws:Secure": "maybe" } }
    }
  ]
}`;

test.each([
  ["Version: is unknown", '"Version": "2012-10-17"', 2],
  ["Statement[0].Action: no such action", '"Action": "a:b"', 4],
  ["Statement[1].Action[1]: no such action", '"]: {\\"quoted\\""', 7],
  ['Statement[1].Condition.Bool["aws:Secure"]: must be true or false', '"aws:Secure": "maybe"', 8],
  ["Statement[0].Principal: is missing", '{ "Effect": "Allow", "Action": "a:b", "Resource": [] }', 4],
])("%s", (message, text, line) => {
  const { start, end } = findPlace(POLICY, message)!;
  expect(POLICY.slice(start, end)).toBe(text);
  expect(lineOf(POLICY, start)).toBe(line);
});

test.each(["policy: a JSON value is expected", "It did not work", "Nowhere[0].x: is wrong"])(
  "no place: %s",
  (message) => {
    expect(findPlace(POLICY, message)).toBeUndefined();
  },
);

test("text that is no JSON has no places", () => {
  expect(findPlace('{"Statement": [', "Statement[0]: is wrong")).toBeUndefined();
  expect(findPlace("", "Version: is wrong")).toBeUndefined();
});
