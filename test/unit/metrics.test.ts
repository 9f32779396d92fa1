import { describe, expect, test } from "vitest";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { createRatios } from "../../limitador-bridge/estimate/ratios.ts";
import { createMetrics } from "../../limitador-bridge/metrics.ts";
import { learnRatios } from "../../limitador-bridge/settlement/learn.ts";
import { noTokens, type Usage } from "../../limitador-bridge/usage/normal-form.ts";
import { settlementRecord } from "./service/service-fixture.ts";

function usageRecord(change: Partial<UsageRecord>): UsageRecord {
  return {
    id: "a",
    time: "2026-03-01T12:00:00.000Z",
    requestId: null,
    api: null,
    provider: "xai",
    requestedModel: null,
    model: "m",
    team: null,
    app: null,
    user: null,
    task: null,
    tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0, total: 0 },
    costNanoUsd: 0,
    priced: true,
    source: "reported",
    outcome: "ok",
    status: 200,
    ...change,
  };
}

/** The samples of a metric, without its histogram's buckets. */
async function samples(metrics: ReturnType<typeof createMetrics>, name: string) {
  const lines = (await metrics.text()).split("\n");
  return lines.filter((line) => line.startsWith(name) && !line.includes("_bucket"));
}

test("what alert rules see an increase of begins at zero, not with the first one", async () => {
  const metrics = createMetrics({ defaults: false });
  expect(await samples(metrics, "tollgate_policy_reloads_total")).toEqual([
    'tollgate_policy_reloads_total{result="accepted"} 0',
    'tollgate_policy_reloads_total{result="rejected"} 0',
    'tollgate_policy_reloads_total{result="failed"} 0',
  ]);
  expect(await samples(metrics, "tollgate_alerts_total")).toEqual([
    'tollgate_alerts_total{sender="slack",result="dead"} 0',
    'tollgate_alerts_total{sender="webhook",result="dead"} 0',
    'tollgate_alerts_total{sender="alertmanager",result="dead"} 0',
  ]);
});

test("failures of limits in force begin at zero, and go with the limits", async () => {
  const metrics = createMetrics({ defaults: false });
  const errors = () => samples(metrics, "tollgate_evaluation_errors_total");
  const [a, b, c] = [
    { policy: "default/p", limit: "a" },
    { policy: "default/p", limit: "b" },
    { policy: "default/p", limit: "c" },
  ] as const;
  metrics.followLimits([a, b, a]);
  expect(await errors()).toEqual([
    'tollgate_evaluation_errors_total{policy="default/p",limit="a"} 0',
    'tollgate_evaluation_errors_total{policy="default/p",limit="b"} 0',
  ]);
  metrics.evaluationErrors.inc(a);
  metrics.evaluationErrors.inc(b);
  metrics.followLimits([b, c]);
  expect(await errors()).toEqual([
    'tollgate_evaluation_errors_total{policy="default/p",limit="b"} 1',
    'tollgate_evaluation_errors_total{policy="default/p",limit="c"} 0',
  ]);
  metrics.followLimits(Array.from({ length: 5_002 }, (_, n) => ({ ...a, limit: `l${n}` })));
  expect(await errors()).toHaveLength(5_000);
  metrics.followLimits([]);
  expect(await errors()).toEqual([]);
});

describe("cost beside the provider's own", () => {
  test("the differences are summed exactly, by provider", async () => {
    const metrics = createMetrics({ defaults: false });
    const compare = (provider: string, ours: number, theirs?: number, priced = true) =>
      metrics.countRecord(
        usageRecord({
          provider,
          costNanoUsd: ours,
          priced,
          ...(theirs === undefined ? {} : { providerCostNanoUsd: theirs }),
        }),
      );
    compare("xai", 100, 100);
    compare("xai", 101, 100);
    compare("xai", 98, 100);
    compare("xai", 5);
    compare("openrouter", 3_000_000_000, 1_000_000_000);
    compare("openrouter", 0, 1_000_000_000, false);
    expect(await samples(metrics, "tollgate_provider_cost")).toEqual([
      'tollgate_provider_cost_difference_usd{provider="xai"} -1e-9',
      'tollgate_provider_cost_difference_usd{provider="openrouter"} 2',
      'tollgate_provider_cost_compared_total{provider="xai"} 3',
      'tollgate_provider_cost_compared_total{provider="openrouter"} 1',
      'tollgate_provider_cost_mismatches_total{provider="xai"} 1',
      'tollgate_provider_cost_mismatches_total{provider="openrouter"} 1',
    ]);
    expect(await samples(metrics, "tollgate_unpriced_records_total")).toEqual([
      "tollgate_unpriced_records_total 1",
    ]);
  });
});

describe("what was learned", () => {
  test("is shown for the model that served, with the errors before", async () => {
    const metrics = createMetrics({ defaults: false });
    const ratios = createRatios();
    const usage: Usage = {
      tokens: { ...noTokens(), inputText: 100, outputText: 100 },
      otherUnits: {},
      model: "gpt-4o-mini-2024-07-18",
      provider: "openai",
      serviceTier: null,
      providerCostNanoUsd: null,
      extraLines: [],
      source: "reported",
      reason: null,
    };
    const record = settlementRecord("a", [100, 100], { outputBytes: 900 });
    record.llm.inputBytes = 490;
    learnRatios(ratios, metrics, record, usage);
    expect(ratios.entries().map(([model]) => model)).toEqual([
      "gpt-4o-mini-2024-07-18",
      "gpt-4o-mini",
    ]);
    // 400 / 100 and 900 / 100 bytes per token, against 5 and 4.5 at first: 80 and 200 tokens.
    expect(await samples(metrics, "tollgate_bytes_per_token")).toEqual([
      'tollgate_bytes_per_token{model="gpt-4o-mini-2024-07-18",direction="input"} 4.9',
      'tollgate_bytes_per_token{model="gpt-4o-mini-2024-07-18",direction="output"} 4.95',
    ]);
    const errors = await samples(metrics, "tollgate_estimate_error_ratio_");
    expect(errors.map((line) => line.replace(/0\.19999\d+/, "0.2"))).toEqual([
      'tollgate_estimate_error_ratio_sum{direction="input"} 0.2',
      'tollgate_estimate_error_ratio_count{direction="input"} 1',
      'tollgate_estimate_error_ratio_sum{direction="output"} 1',
      'tollgate_estimate_error_ratio_count{direction="output"} 1',
    ]);
  });

  test("models beyond the first 500 have no ratio of their own", async () => {
    const metrics = createMetrics({ defaults: false });
    for (let i = 0; i < 502; i++) {
      metrics.countLearned(`m${i}`, { input: 4, output: 5 }, { input: 0.5, output: null });
    }
    const ratios = await samples(metrics, "tollgate_bytes_per_token");
    expect(ratios).toHaveLength(500);
    expect(ratios.at(-1)).toBe('tollgate_bytes_per_token{model="m499",direction="input"} 4');
    expect(await samples(metrics, "tollgate_estimate_error_ratio_")).toEqual([
      'tollgate_estimate_error_ratio_sum{direction="input"} 251',
      'tollgate_estimate_error_ratio_count{direction="input"} 502',
    ]);
  });
});
