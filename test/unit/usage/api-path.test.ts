import { expect, test } from "vitest";
import { isOfPath } from "../../../limitador-bridge/usage/api-path.ts";

const GENERATE = { path: "/models/{model}:generateContent" };

test.each([
  ["/v1beta/models/gemini-2.5-flash:generateContent", true],
  ["/v1beta/models/gemini-2.5-flash%3AgenerateContent", true],
  ["/v1beta/models/qwen3%3A4b%3AgenerateContent", true],
  ["/V1beta/Models/gemini-2.5-flash:GenerateContent", true],
  ["/v1beta/models/gemini-2.5-flash%3AcountTokens", false],
  ["/v1beta/models/gemini-2.5-flash%2FgenerateContent", false],
])("%s is a path of generateContent: %s", (path, is) => {
  expect(isOfPath(GENERATE, path)).toBe(is);
});
