/** Rules and dashboard name metrics that exist. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createMetrics } from "../../../limitador-bridge/metrics.ts";
import { allWith, at, documentsOf, ENVOY_FOLDER, type Plain, textOf } from "./files.ts";

const PLUGIN_FOLDER = join(ENVOY_FOLDER, "../plugin");

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: Record<string, string>;
}
interface Panel {
  id: number;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  description?: string;
}

const groups = at<{ name: string; rules: Rule[] }[]>(
  documentsOf("prometheus/rules.yaml")[0],
  "groups",
);
const rules = groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(textOf("grafana/llm-cost-chargeback.json")) as Plain & {
  panels: Panel[];
};

/** The service's metrics, as they are exported, and those that the filter defines in Envoy. */
async function exported(): Promise<Set<string>> {
  const text = await createMetrics({ defaults: true, genAi: true }).text();
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = "", type]) =>
    type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  const plugin = readdirSync(PLUGIN_FOLDER, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(join(PLUGIN_FOLDER, file), "utf8"));
  const own = plugin.flatMap((text) => text.match(/(?<=")tollgate_\w+(?=")/g) ?? []);
  return new Set([...names, ...own]);
}

function namesIn(expression: string): string[] {
  return expression.match(/\b(llm|tollgate|gen_ai|wasmcustom|envoy)_\w+/g) ?? [];
}

describe("alert rules", () => {
  test("those of the cost document are there", () => {
    expect(rules.map(({ alert }) => alert)).toEqual(
      expect.arrayContaining([
        "LLMBudget50Percent",
        "LLMBudget80Percent",
        "LLMBudget100Percent",
        "LLMBudgetBurnRate",
        "LLMAppCostSpike",
      ]),
    );
  });

  test.each(rules)("$alert names metrics that exist", async ({ expr, labels, annotations }) => {
    const known = await exported();
    const named = namesIn(expr);
    expect(named.length).toBeGreaterThan(0);
    const inText = Object.values(annotations).flatMap(namesIn);
    expect([...named, ...inText].filter((name) => !known.has(name))).toEqual([]);
    expect(["info", "warning", "critical"]).toContain(labels.severity);
    expect(annotations.summary).toMatch(/^\S.*\.$/);
  });
});

test.each(["LLMBudgetBurnRate", "LLMAppSpendTripled"])(
  "%s compares with what is above 0, not whether it is more than that",
  (name) => {
    // Without brackets A > B > 0 is (A > B) > 0.
    const { expr } = rules.find(({ alert }) => alert === name) as Rule;
    expect(expr).toMatch(/^sum by [^>]+ > \([^>]+ > 0\)$/);
  },
);

describe("the dashboard", () => {
  const expressions = allWith(dashboard.panels, "expr") as string[];

  test("has the panels of the cost document", () => {
    expect(dashboard.panels.map(({ title }) => title)).toEqual(
      expect.arrayContaining([
        "Spend by Team",
        "Budget Utilization by Team",
        "Spend by Model",
        "Spend by App per Team",
        "Daily Spend Trend",
        "Requests Rejected (Budget Limits)",
        "Model Routing Decisions",
      ]),
    );
  });

  test("says where requests under a lease are not counted, as the metrics do", async () => {
    const ofAsks = /llm_cost_estimate_usd_total|llm_model_routing_total/;
    const panels = dashboard.panels.filter((panel) => ofAsks.test(JSON.stringify(panel)));
    expect(panels.map(({ title, description }) => [title, description])).toEqual([
      [
        "Worst Case Admitted and Real Cost",
        "USD an hour. Requests under a lease do not ask: they are in the real cost alone.",
      ],
      [
        "Model Routing Decisions",
        "Of requests that asked. Requests under a lease run as the one did that was asked about.",
      ],
    ]);
    const text = await createMetrics({ defaults: false }).text();
    const helps = text.match(/^# HELP (?:llm_cost_estimate|llm_model_routing).*$/gm);
    expect(helps).toEqual([
      "# HELP llm_cost_estimate_usd_total Pre-request cost estimates in USD: the worst case of " +
        "requests that asked and were admitted. Requests under a lease are not in it.",
      "# HELP llm_model_routing_total Models chosen for requests that asked and are under a " +
        "budget, by why. Requests under a lease are not in it.",
    ]);
  });

  test("names metrics that exist", async () => {
    const known = await exported();
    expect(expressions.length).toBeGreaterThan(10);
    const variables = allWith(dashboard.templating, "definition") as string[];
    const named = [...expressions, ...variables].flatMap(namesIn);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test("can be imported: ids differ, panels do not overlap, the data source is chosen", () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...dashboard.panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
    const sources = allWith(dashboard.panels, "datasource").map((source) => at(source, "uid"));
    expect(new Set(sources)).toEqual(new Set(["$" + "{datasource}"]));
  });
});
