import { describe, expect, test } from "vitest";
import type { UnknownModel } from "../../../limitador-bridge/policy/policy-set.ts";
import {
  admitRequest,
  ask,
  createService,
  settleAll,
  settlementRecord,
} from "./service-fixture.ts";

/** A service with one limit of 1000 nano-USD; "mystery" has no price (1 in and 2 out else). */
function create(unknownModel?: UnknownModel) {
  return createService({
    limits: [
      {
        unit: "usd",
        amount: 1000,
        reservation: "worst-case",
        ...(unknownModel === undefined ? {} : { unknownModel }),
      },
    ],
  });
}
const llm = { ...admitRequest("a").llm, model: "mystery", maxOutputTokens: 50 };

async function run(unknownModel?: UnknownModel) {
  const { app, store } = create(unknownModel);
  const counters = async () => (await store.counters("", 10)).map(({ used, held }) => [used, held]);
  const { body } = await ask(app, admitRequest("a", { llm }));
  const held = await counters();
  await settleAll(app, settlementRecord("a", [10, 20], { llm }));
  const { records } = (await app.inject("/v1/usage?requestId=r-a")).json();
  const settled = records.find(({ outcome }: { outcome: string }) => outcome === "ok");
  const { costNanoUsd, priced, pricedAs } = settled;
  return { verdict: body.verdict, held, used: await counters(), costNanoUsd, priced, pricedAs };
}

describe("a model without a price, under a limit in USD", () => {
  test("is refused, unless the policy says something else", async () => {
    const { app } = create();
    const { body } = await ask(app, admitRequest("a", { llm }));
    expect(body).toMatchObject({ verdict: "deny", deny: { status: 403 } });
    expect(body.deny.body).toContain("price_unknown");
  });

  test("that ran all the same has no cost, and says that it has none", async () => {
    expect(await run()).toMatchObject({ verdict: "deny", costNanoUsd: 0, priced: false });
  });

  test("free: admitted, and no cost is made up", async () => {
    expect(await run({ rule: "free" })).toEqual({
      verdict: "allow",
      held: [[0, 0]],
      used: [[0, 0]],
      costNanoUsd: 0,
      priced: false,
      pricedAs: undefined,
    });
  });

  test("priced as another: held and charged at its price", async () => {
    expect(await run({ rule: "priceAs", model: "gpt-4o-mini" })).toEqual({
      verdict: "allow",
      // 40 bytes at 4 a token and 10 % more are 11 tokens in, and 50 out.
      held: [[0, 111]],
      used: [[50, 0]],
      costNanoUsd: 50,
      priced: true,
      pricedAs: "gpt-4o-mini",
    });
  });

  test("priced as one without a price: refused", async () => {
    expect(await run({ rule: "priceAs", model: "mystery" })).toMatchObject({
      verdict: "deny",
      costNanoUsd: 0,
      priced: false,
    });
  });
});
