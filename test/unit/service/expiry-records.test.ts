/** Holds that nobody settles: what is charged and what is recorded are one amount, by model. */
import { describe, expect, test } from "vitest";
import type { UsageRecord } from "../../../limitador-bridge/contract/usage-record.ts";
import { type BudgetedService, budgeted, request, spend } from "./budgeted-service.ts";
import { ask } from "./service-fixture.ts";

/** 10,000,000 nano-USD; gpt-4o costs 27,500 for its input alone, gpt-4o-mini 1,650. */
const TEAM = `  team: blue
  monthlyBudgetUSD: 0.01
  overshootPercent: 0
  modelLimits:
    - {modelPattern: gpt-4o, maxMonthlyUSD: 1}
    - {modelPattern: gpt-4o-mini, maxMonthlyUSD: 1}
`;
const DOWNGRADES = `${TEAM}  defaultModel: gpt-4o-mini
  alertThresholds:
    - {percent: 80, action: alert_and_downgrade}
`;
const CAPS = "  capMaxOutputTokens: true\n";

/** What was spent of each model, by the records and by the counters, once all holds are over. */
async function expireAll(service: BudgetedService) {
  service.clock.nowMs += 600_001;
  await service.store.expire();
  const { records }: { records: UsageRecord[] } = (
    await service.app.inject("/v1/usage?limit=100")
  ).json();
  const recorded: Record<string, number> = {};
  for (const { model, costNanoUsd } of records) {
    recorded[model ?? ""] = (recorded[model ?? ""] ?? 0) + costNanoUsd;
  }
  const views = await service.store.counters("budget/", 10);
  const charged = Object.fromEntries(views.map(({ key, used, held }) => [key, used + held]));
  return { recorded, charged };
}

describe("a hold that is never settled", () => {
  test("downgraded: charged and recorded as the cheaper model", async () => {
    const service = budgeted(DOWNGRADES);
    await spend(service, "s", 850);
    expect((await ask(service.app, request("a"))).body).toMatchObject({ model: "gpt-4o-mini" });
    expect(await expireAll(service)).toEqual({
      recorded: { "gpt-4o": 8_500_000, "gpt-4o-mini": 1_650 },
      charged: {
        "budget/blue": 8_501_650,
        "budget/blue/model/gpt-4o": 8_500_000,
        "budget/blue/model/gpt-4o-mini": 1_650,
      },
    });
  });

  test("downgraded and capped: no more is charged than was held", async () => {
    const service = budgeted(DOWNGRADES + CAPS);
    await spend(service, "s", 998);
    const { body } = await ask(service.app, request("a"));
    // 20,000 nano-USD are left, less than the dear model's input alone.
    expect(body).toMatchObject({ model: "gpt-4o-mini", maxOutputTokens: 30 });
    expect(await expireAll(service)).toEqual({
      recorded: { "gpt-4o": 9_980_000, "gpt-4o-mini": 1_650 },
      charged: {
        "budget/blue": 9_981_650,
        "budget/blue/model/gpt-4o": 9_980_000,
        "budget/blue/model/gpt-4o-mini": 1_650,
      },
    });
  });

  test("capped alone: the requested model's input", async () => {
    const service = budgeted(TEAM + CAPS);
    await spend(service, "s", 950);
    expect((await ask(service.app, request("a"))).body).toMatchObject({ maxOutputTokens: 47 });
    expect(await expireAll(service)).toEqual({
      recorded: { "gpt-4o": 9_527_500 },
      charged: { "budget/blue": 9_527_500, "budget/blue/model/gpt-4o": 9_527_500 },
    });
  });
});
