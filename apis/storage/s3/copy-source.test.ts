import { expect, test } from "bun:test";
import { parseCopySource } from "./copy-source.ts";
import { S3Error } from "./errors.ts";

test.each([
  ["bucket/key", "bucket", "key"],
  ["/bucket/key", "bucket", "key"],
  ["bucket/a%2Bb+c%20d", "bucket", "a+b c d"],
  ["bucket%2Fdir%2Fkey", "bucket", "dir/key"],
  ["/bucket//a/../b", "bucket", "/a/../b"],
  ["bucket/key%3FversionId=x", "bucket", "key?versionId=x"],
  ["bucket/key?versionId=null", "bucket", "key"],
  ["bucket/%C3%BC", "bucket", "ü"],
  [`bucket/${Buffer.from("ü").toString("latin1")}`, "bucket", "ü"],
])("%p names an object", (header, bucket, key) => {
  expect(parseCopySource(header)).toEqual({ bucket, key });
});

test.each([
  ["", "InvalidArgument"],
  ["/", "InvalidArgument"],
  ["bucket", "InvalidArgument"],
  ["bucket/", "InvalidArgument"],
  ["//key", "InvalidArgument"],
  ["bucket/100%", "InvalidArgument"],
  ["bucket/%FF", "InvalidArgument"],
  ["bucket/a%00b", "InvalidArgument"],
  [`bucket/${"k".repeat(1025)}`, "KeyTooLongError"],
  ["bucket/key?versionId=3sL4kqtJ", "NoSuchVersion"],
  ["bucket/key?acl", "NoSuchVersion"],
])("%p is refused with %s", (header, code) => {
  let thrown: unknown;
  try {
    parseCopySource(header);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(S3Error);
  expect((thrown as S3Error).code).toBe(code as never);
});
