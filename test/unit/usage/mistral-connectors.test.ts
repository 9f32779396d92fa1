/** Mistral's conversations bill what connectors read beside the prompt. */
import { expect, test } from "vitest";
import { figures, interpret, whole } from "./exchanges.ts";

const input = (usage: object) =>
  figures(
    interpret(whole({ object: "conversation.response", usage }, { path: "/v1/conversations" })),
  );

test.each([
  ["beside the prompt", { total_tokens: 1130 }, 1100],
  ["in the prompt", { total_tokens: 130 }, 100],
  ["with no total that says so", {}, 100],
])("connector tokens %s", (_, more, expected) => {
  const usage = { prompt_tokens: 100, completion_tokens: 30, connector_tokens: 1000, ...more };
  expect(input(usage)).toEqual({ source: "reported", inputText: expected, outputText: 30 });
});

test("with no prompt told, the total has them", () => {
  const usage = { completion_tokens: 30, connector_tokens: 1000, total_tokens: 1030 };
  expect(input(usage)).toEqual({ source: "reported", inputText: 1000, outputText: 30 });
});
