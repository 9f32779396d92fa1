import { describe, expect, test } from "vitest";
import { boundedLabel, boundedSeries } from "../../limitador-bridge/bounded-labels.ts";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { createMetrics } from "../../limitador-bridge/metrics.ts";
import { record as recordOf } from "./reports/records.ts";

const tokens = (input: number, output: number) => ({
  input,
  output,
  cacheRead: 0,
  cacheWrite: 0,
  reasoning: 0,
  total: input + output,
});

async function samples(metrics: ReturnType<typeof createMetrics>, name: string) {
  const lines = (await metrics.text()).split("\n");
  return lines.filter((line) => line.startsWith(name) && !line.includes("_bucket"));
}

test("a label has so many values and no more; who is not known is one of them", () => {
  const label = boundedLabel(2);
  expect(["a", null, "b", "c", "a", "other"].map(label)).toEqual([
    "a",
    "unknown",
    "b",
    "other",
    "a",
    "other",
  ]);
});

test("later combinations keep only what is to be summed by", () => {
  const series = boundedSeries(["team"], 2);
  const labels = (team: string, app: string) => series({ team, app });
  expect(labels("a", "1")).toEqual({ team: "a", app: "1" });
  expect(labels("a", "2")).toEqual({ team: "a", app: "2" });
  expect(labels("b", "1")).toEqual({ team: "b", app: "other" });
  expect(labels("a", "1")).toEqual({ team: "a", app: "1" });
});

test("the cost of a team stays right when its apps and models are too many", async () => {
  const metrics = createMetrics({ defaults: false });
  const costNanoUsd = 1_000_000_000;
  for (let app = 0; app < 100; app++) {
    for (let model = 0; model < 60; model++) {
      const names = { team: `t${app % 3}`, app: `a${app}`, model: `m${model}` };
      metrics.countRecord(recordOf("a", { ...names, costNanoUsd }));
    }
  }
  const found = await samples(metrics, "llm_cost_usd_total{");
  // 5000 of 6000, and one for what is left of each team.
  expect(found).toHaveLength(5003);
  const ofTeam = (team: string) =>
    found
      .filter((line) => line.includes(`team="${team}"`))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  expect(["t0", "t1", "t2"].map(ofTeam)).toEqual([34 * 60, 33 * 60, 33 * 60]);
});

describe("gen_ai.* metrics", () => {
  const record = (change: Partial<UsageRecord>) =>
    recordOf("a", {
      ...{ api: "openai.chat.completions", provider: "openai", requestedModel: "gpt-4o" },
      ...{ model: "gpt-4o-2024-08-06", tokens: tokens(10, 30), durationMs: 1500 },
      ...change,
    });

  test("are not there unless they are asked for", async () => {
    const metrics = createMetrics({ defaults: false });
    metrics.countRecord(record({}));
    expect(await samples(metrics, "gen_ai")).toEqual([]);
  });

  test("tell tokens by type and durations, with the attributes' names", async () => {
    const metrics = createMetrics({ defaults: false, genAi: true });
    metrics.countRecord(record({}));
    metrics.countRecord(record({ outcome: "denied", status: 429 }));
    const labels =
      'gen_ai_operation_name="chat",gen_ai_provider_name="openai",' +
      'gen_ai_request_model="gpt-4o",gen_ai_response_model="gpt-4o-2024-08-06"';
    expect(await samples(metrics, "gen_ai")).toEqual([
      `gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="input"} 10`,
      `gen_ai_client_token_usage_count{${labels},gen_ai_token_type="input"} 1`,
      `gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="output"} 30`,
      `gen_ai_client_token_usage_count{${labels},gen_ai_token_type="output"} 1`,
      `gen_ai_client_operation_duration_seconds_sum{${labels}} 1.5`,
      `gen_ai_client_operation_duration_seconds_count{${labels}} 1`,
    ]);
  });

  test.each([
    ["openai.embeddings", "embeddings"],
    ["openai.completions", "text_completion"],
    ["gemini.generateContent", "generate_content"],
    ["anthropic.messages", "chat"],
    [null, "chat"],
  ])("the operation of %s is %s", async (api, operation) => {
    const metrics = createMetrics({ defaults: false, genAi: true });
    metrics.countRecord(record({ api, tokens: tokens(0, 0) }));
    const found = await samples(metrics, "gen_ai_client_operation_duration_seconds_count");
    expect(found).toEqual([expect.stringContaining(`gen_ai_operation_name="${operation}"`)]);
  });

  test.each([
    [{ status: 500, outcome: "upstream_error" }, "500"],
    [{ status: 200, outcome: "truncated" }, "truncated"],
  ] as const)("how it ended badly: %o", async (end, error) => {
    const metrics = createMetrics({ defaults: false, genAi: true });
    metrics.countRecord(record(end));
    const found = await samples(metrics, "gen_ai_client_operation_duration_seconds_count");
    expect(found).toEqual([expect.stringContaining(`error_type="${error}"`)]);
  });

  test("an estimate is no report of usage", async () => {
    const metrics = createMetrics({ defaults: false, genAi: true });
    metrics.countRecord(record({ source: "estimated" }));
    expect(await samples(metrics, "gen_ai_client_token_usage")).toEqual([]);
  });
});
