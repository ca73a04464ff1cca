import { expect, test } from "bun:test";
import { errorFrom } from "./http.ts";

const answer = (message: string) => JSON.stringify({ error: { code: "NO", message } });

test("what an API says ends as a sentence, once", () => {
  expect(errorFrom(400, answer("the name is taken")).message).toBe("the name is taken.");
  expect(errorFrom(400, answer("The name is taken.")).message).toBe("The name is taken.");
  expect(errorFrom(400, answer("Which one?")).message).toBe("Which one?");
});

test("an answer that is not an API's is told by its status", () => {
  expect(errorFrom(502, "<html>").message).toContain("502");
});
