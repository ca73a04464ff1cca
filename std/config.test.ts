import { expect, test } from "bun:test";
import { address, optionalAddress, parseConfig, UsageError, whole } from "./config.ts";

const SETTINGS = {
  listen: address("where to serve", "127.0.0.1:0"),
  advertise: optionalAddress("how others reach it"),
  count: whole("how many", "N", 1, 9),
};

function problemsOf(argv: string[], environment: Record<string, string> = {}): string[] {
  try {
    parseConfig(SETTINGS, argv, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message.split("\n");
  }
  return [];
}

test("flags come before variables, and variables before defaults", () => {
  const { config } = parseConfig(SETTINGS, ["--listen", "[::1]:80"], {
    SKERRY_LISTEN: "127.0.0.1:1",
    SKERRY_COUNT: "3",
  });
  expect(config).toEqual({ listen: "[::1]:80", advertise: undefined, count: 3 });
});

test("every problem is told at once, each with its flag", () => {
  expect(problemsOf(["--listen", "nope", "--advertise", "host:99999"])).toEqual([
    '--listen nope: "nope" is not host:port, [v6]:port or unix:/path',
    '--advertise host:99999: "host:99999" is not host:port, [v6]:port or unix:/path',
    "--count (or SKERRY_COUNT) is required",
  ]);
  expect(problemsOf(["--count", "10"])).toEqual(["--count 10: must be a whole number from 1 to 9"]);
});
