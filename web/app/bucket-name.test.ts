import { expect, test } from "bun:test";
import { bucketNameProblem } from "./bucket-name.ts";

test.each(["abc", "my.bucket-1", "0".repeat(63)])("%s is a bucket name", (name) => {
  expect(bucketNameProblem(name)).toBeUndefined();
});

test.each([
  ["ab", "At least 3 characters."],
  ["a".repeat(64), "At most 63 characters."],
  ["Photos", "Lower-case letters only."],
  ["my_bucket", "Only letters a–z, digits, hyphens and dots."],
  ["-abc", "It must begin and end with a letter or digit."],
  ["a..b", "No two dots in a row."],
  ["a.-b", "No hyphen next to a dot."],
  ["192.168.5.4", "It must not look like an IP address."],
  ["xn--abc", 'The beginning "xn-" is reserved.'],
  ["abc-s3alias", "This ending is reserved."],
])("%s is refused with the rule it breaks", (name, problem) => {
  expect(bucketNameProblem(name)).toBe(problem);
});
