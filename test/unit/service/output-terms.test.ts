/** What an answer says of a request's output: a lower limit for the provider, or where to cut. */
import { describe, expect, test } from "vitest";
import type { Parts } from "../../../limitador-bridge/app.ts";
import type { MatchedLimit } from "../../../limitador-bridge/policy/policy-set.ts";
import { type Asking, budgeted, request } from "./budgeted-service.ts";
import { ask, createService } from "./service-fixture.ts";

const CHAT = "openai.chat.completions";
/** 11 tokens of input at 2500 nano-USD each. */
const INPUT = 27_500;
/** 4.5 bytes a token, less the margin of 10 %. */
const bytesOf = (tokens: number) => Math.floor((tokens * 4.5) / 1.1);

const capture = createService().parts.capture;
const route = {
  ...{ api: CHAT, path: "/v1/chat/completions", errorShape: "openai", includeUsage: true },
  maxOutputPointer: "/max_tokens",
};
const withPointer = { capture: { ...capture, apis: [route] } } satisfies Partial<Parts>;
const usual = { inputBytesPerToken: () => 4, usualOutputTokens: () => 20 };

const unsaid: Asking = { llm: { api: CHAT, maxOutputTokens: null } };
const stream = (llm: Asking["llm"] = {}): Asking => ({ llm: { api: CHAT, stream: true, ...llm } });

function budgetOf(usd: number, spec: string, overrides: Partial<Parts> = {}) {
  const head = `  team: blue\n  monthlyBudgetUSD: ${usd}\n  overshootPercent: 0\n`;
  const service = budgeted(head + spec, { overrides });
  let asks = 0;
  return {
    ask: async (asking: Asking) => (await ask(service.app, request(`a${asks++}`, asking))).body,
    held: async () => (await service.app.inject("/v1/budgets/blue")).json().heldNanoUsd,
  };
}

describe("capMaxOutputTokens, of a request that tells no limit", () => {
  const cap = "  capMaxOutputTokens: true\n";

  test("sends what is still affordable", async () => {
    const budget = budgetOf(0.001, cap, withPointer);
    expect(await budget.ask(unsaid)).toMatchObject({ verdict: "allow", maxOutputTokens: 97 });
    expect(await budget.held()).toBe(INPUT + 970_000);
  });

  test("sends the budget's own limit, so that what is held is the worst case", async () => {
    const budget = budgetOf(1, `${cap}  defaultMaxOutputTokens: 50\n`, withPointer);
    expect(await budget.ask(unsaid)).toMatchObject({ verdict: "allow", maxOutputTokens: 50 });
    expect(await budget.held()).toBe(INPUT + 500_000);
    const two = { llm: { ...unsaid.llm, choices: 2 } };
    expect(await budget.ask(two)).toMatchObject({ verdict: "allow", maxOutputTokens: 50 });
  });

  test.each([
    ["the request has a limit that fits", cap, {}, withPointer],
    ["the API has no place for one", `${cap}  defaultMaxOutputTokens: 50\n`, unsaid, {}],
    ["the model's own limit is as low", cap, unsaid, withPointer],
    ["the budget does not cap", "  defaultMaxOutputTokens: 50\n", unsaid, withPointer],
    [
      "the budget is a shadow",
      `${cap}  defaultMaxOutputTokens: 50\n  mode: shadow\n`,
      unsaid,
      withPointer,
    ],
  ])("sends nothing where %s", async (_, spec, asking, overrides) => {
    const answer = await budgetOf(1, spec, overrides).ask(asking);
    expect([answer.verdict, answer.maxOutputTokens]).toEqual(["allow", undefined]);
  });
});

describe("onExhausted: cut", () => {
  const cut = "  onExhausted: cut\n";

  test("a stream that may go on beyond what is held is cut there", async () => {
    const budget = budgetOf(1, `${cut}  defaultMaxOutputTokens: 50\n`);
    const answer = await budget.ask(stream({ maxOutputTokens: null }));
    expect(answer.cut).toEqual({
      afterOutputBytes: bytesOf(50),
      closing: expect.stringMatching(/"finish_reason":"length".*\n\ndata: \[DONE\]\n\n$/s),
    });
    const two = await budget.ask(stream({ maxOutputTokens: null, choices: 2 }));
    expect(two.cut.afterOutputBytes).toBe(bytesOf(100));
  });

  test("by what was learned of the model", async () => {
    const ratios = { inputBytesPerToken: () => 4, outputBytesPerToken: () => 3.3 };
    const budget = budgetOf(1, `${cut}  defaultMaxOutputTokens: 50\n`, { ratios });
    const answer = await budget.ask(stream({ maxOutputTokens: null }));
    expect(answer.cut.afterOutputBytes).toBe(150);
  });

  test("a stream whose worst case does not fit holds what is left", async () => {
    const budget = budgetOf(0.001, cut);
    const answer = await budget.ask(stream());
    expect(answer).toMatchObject({
      verdict: "allow",
      cut: { afterOutputBytes: bytesOf(97) },
    });
    expect(answer.maxOutputTokens).toBeUndefined();
    expect(await budget.held()).toBe(INPUT + 970_000);
    expect((await budget.ask(stream())).verdict).toBe("deny");
  });

  test("an expected reservation: the worst case while there is room for it", async () => {
    const budget = budgetOf(0.0016, `${cut}  reservation: expected\n`, { ratios: usual });
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await budget.ask(stream()));
    expect(answers.map(({ verdict, cut: at }) => [verdict, at?.afterOutputBytes])).toEqual([
      ["allow", undefined],
      ["allow", bytesOf(20)],
      ["allow", bytesOf(20)],
      // 1,600,000 − 1,027,500 − 2 × 227,500 = 117,500 are left.
      ["allow", bytesOf(9)],
      ["deny", undefined],
    ]);
    expect(await budget.held()).toBe(1_600_000);
  });

  test("a downgrade comes before a cut that would not be enough", async () => {
    const spec = `${cut}  reservation: expected
  defaultModel: gpt-4o-mini
  alertThresholds: [{percent: 80, action: alert_and_downgrade}]
`;
    const budget = budgetOf(0.001, spec, { ratios: usual });
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await budget.ask(stream()));
    expect(answers.map(({ model, cut: at }) => [model, at?.afterOutputBytes])).toEqual([
      [undefined, bytesOf(20)],
      [undefined, bytesOf(20)],
      [undefined, bytesOf(20)],
      ["gpt-4o-mini", undefined],
    ]);
    expect(await budget.held()).toBe(3 * 227_500 + 61_650);
  });

  test.each<[string, string, Asking]>([
    ["it is no stream", "", { llm: { api: CHAT } }],
    ["the API has no events to end it with", "", stream({ api: "ollama.chat" })],
    ["the request's limit is held in full", "  defaultMaxOutputTokens: 50\n", stream()],
    ["the budget is a shadow", "  mode: shadow\n", stream({ maxOutputTokens: null })],
  ])("no cut where %s", async (_, spec, asking) => {
    const answer = await budgetOf(1, cut + spec).ask(asking);
    expect([answer.verdict, answer.cut]).toEqual(["allow", undefined]);
  });

  test("where the provider can be told, it ends the answer itself", async () => {
    const budget = budgetOf(0.001, `${cut}  capMaxOutputTokens: true\n`);
    const answer = await budget.ask(stream());
    expect([answer.maxOutputTokens, answer.cut]).toEqual([97, undefined]);
    const untold = budgetOf(0.001, `${cut}  capMaxOutputTokens: true\n`);
    const other = await untold.ask(stream({ maxOutputTokens: null }));
    expect([other.maxOutputTokens, other.cut?.afterOutputBytes]).toEqual([undefined, bytesOf(97)]);
  });

  test("Gemini is cut where it streams events, not in a JSON array", async () => {
    const spec = `${cut}  defaultMaxOutputTokens: 50\n`;
    const llm = { api: "gemini.generateContent", stream: true, maxOutputTokens: null };
    const path = "/v1beta/models/gpt-4o:streamGenerateContent";
    const events = await budgetOf(1, spec).ask({ path: `${path}?alt=sse`, llm });
    expect(events.cut.afterOutputBytes).toBe(bytesOf(50));
    const array = await budgetOf(1, spec).ask({ path, llm });
    expect([array.verdict, array.cut]).toEqual(["allow", undefined]);
  });
});

describe("onExhausted: cut of a limit", () => {
  const service = (...limits: Partial<MatchedLimit>[]) => {
    const made = createService({ limits });
    return async (id: string, asking: Asking) => (await ask(made.app, request(id, asking))).body;
  };
  const cuts = { onExhausted: "cut" as const, reservation: "worst-case" as const };

  test("what is left of a token limit", async () => {
    const send = service({ ...cuts, amount: 100 });
    // 11 of input, and 89 of the 100 that it asks for.
    expect((await send("a", stream())).cut.afterOutputBytes).toBe(bytesOf(89));
    expect((await send("b", stream())).verdict).toBe("deny");
  });

  test("a fixed reservation", async () => {
    const send = service({ onExhausted: "cut", reserveAmount: 50, amount: 1000 });
    expect((await send("a", stream())).cut.afterOutputBytes).toBe(bytesOf(39));
    const small = await send("b", stream({ maxOutputTokens: 39 }));
    expect([small.verdict, small.cut]).toEqual(["allow", undefined]);
  });

  test("the tightest of several; one that does not cut refuses", async () => {
    const output = { ...cuts, unit: "output" as const, amount: 60 };
    const both = service({ ...cuts, amount: 100 }, output);
    expect((await both("a", stream())).cut.afterOutputBytes).toBe(bytesOf(60));
    const mixed = service({ ...cuts, amount: 100 }, { reservation: "worst-case", amount: 100 });
    expect((await mixed("a", stream())).verdict).toBe("deny");
    const shadowed = service({ ...cuts, amount: 100 }, { ...output, mode: "shadow", amount: 1 });
    expect((await shadowed("a", stream())).cut.afterOutputBytes).toBe(bytesOf(89));
  });

  test("a request that is no stream is refused as before", async () => {
    const send = service({ ...cuts, amount: 100 });
    expect((await send("a", {})).verdict).toBe("deny");
  });
});
