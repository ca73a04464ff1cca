// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables look like that
import { expect, test } from "bun:test";
import {
  bucketName,
  bucketsName,
  collectionName,
  objectName,
  ResourceNameError,
  resourceName,
} from "./resource-names.ts";

test("resources are called by their ARNs", () => {
  const names: string[] = [
    bucketsName(),
    bucketName("my.photos-1"),
    objectName("photos", "2024/*?${a}:b/ü"),
    resourceName("auth", "u1", "access-key", "AKIA123"),
    resourceName("auth", "", "role", "read-only"),
    collectionName("auth", "u1", "token"),
    collectionName("auth", "", "token"),
    collectionName("events", "", "dead-letter"),
  ];
  expect(names).toEqual([
    "arn:aws:s3:::",
    "arn:aws:s3:::my.photos-1",
    "arn:aws:s3:::photos/2024/*?${a}:b/ü",
    "arn:skerry:auth::u1:access-key/AKIA123",
    "arn:skerry:auth:::role/read-only",
    "arn:skerry:auth::u1:token/",
    "arn:skerry:auth:::token/",
    "arn:skerry:events:::dead-letter/",
  ]);
});

const ODD = [
  "",
  "*",
  "a*",
  "a?",
  "a/b",
  "a:b",
  "${a}",
  "$",
  " ",
  "a b",
  "a\n",
  "-a",
  "ä",
  ".",
  "..",
  "a\0",
  "a".repeat(300),
];

test.each(ODD)("no name is made of %p", (odd) => {
  expect(() => bucketName(odd)).toThrow(ResourceNameError);
  expect(() => objectName(odd, "k")).toThrow(ResourceNameError);
  expect(() => resourceName("auth", "u1", "token", odd)).toThrow(ResourceNameError);
  if (odd !== "") {
    expect(() => resourceName("auth", odd, "token", "t1")).toThrow(ResourceNameError);
    expect(() => collectionName("auth", odd, "token")).toThrow(ResourceNameError);
  }
});

test("no object is without a key", () => {
  expect(() => objectName("photos", "")).toThrow(ResourceNameError);
});
