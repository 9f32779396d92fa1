/** Spending as CSV: our own columns, and those of FOCUS. Pure. */

import { nanoUsdText } from "../nano-usd-text.ts";
import { csvField, csvLines, csvText } from "./csv.ts";
import type { Period } from "./period.ts";
import { type GroupKey, type SpendRow, TOKEN_FIELDS } from "./spend.ts";

const TOKEN_COLUMNS = [
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "reasoning_tokens",
  "total_tokens",
];

/** The groups, then the sums; one line for each row. */
export function spendCsv(groupBy: readonly GroupKey[], rows: readonly SpendRow[]): string {
  const head = [
    ...groupBy,
    "requests",
    "denied",
    "unpriced",
    ...TOKEN_COLUMNS,
    "cost_usd",
    "cost_nano_usd",
  ];
  return csvLines([
    head,
    ...rows.map((row) => [
      ...groupBy.map((name) => csvText(row.group[name] ?? null)),
      ...[row.requests, row.denied, row.unpriced].map(String),
      ...TOKEN_FIELDS.map((field) => String(row.tokens[field])),
      nanoUsdText(row.costNanoUsd),
      String(row.costNanoUsd),
    ]),
  ]);
}

/** What FOCUS rows are always grouped by; other groups become tags. */
export const FOCUS_GROUPS: readonly GroupKey[] = ["team", "app", "model", "provider"];

type FocusValue = (row: SpendRow, period: { start: string; end: string }) => string;

/**
 * The columns of FOCUS (FinOps Open Cost and Usage Specification) that there is something to say
 * in: the team is the sub account, the model is the resource.
 */
const FOCUS_COLUMNS: Record<string, FocusValue> = {
  BilledCost: (row) => nanoUsdText(row.costNanoUsd),
  EffectiveCost: (row) => nanoUsdText(row.costNanoUsd),
  BillingCurrency: () => "USD",
  BillingPeriodStart: (_, { start }) => start,
  BillingPeriodEnd: (_, { end }) => end,
  ChargePeriodStart: (_, { start }) => start,
  ChargePeriodEnd: (_, { end }) => end,
  ChargeCategory: () => "Usage",
  ChargeFrequency: () => "Usage-Based",
  ChargeDescription: (row) =>
    csvText(`LLM tokens${row.group.model == null ? "" : ` of ${row.group.model}`}`),
  ConsumedQuantity: (row) => String(row.tokens.total),
  ConsumedUnit: () => "Tokens",
  ProviderName: (row) => csvText(row.group.provider ?? null),
  PublisherName: (row) => csvText(row.group.provider ?? null),
  ServiceCategory: () => "AI and Machine Learning",
  ServiceName: () => "LLM API",
  ResourceId: (row) => csvText(row.group.model ?? null),
  ResourceName: (row) => csvText(row.group.model ?? null),
  ResourceType: () => "Model",
  SubAccountId: (row) => csvText(row.group.team ?? null),
  SubAccountName: (row) => csvText(row.group.team ?? null),
  Tags: (row) => csvField(tagsOf(row)),
};

/** One line for each row that stands for a charge; rows of refusals alone are left out. */
export function focusCsv(rows: readonly SpendRow[], { fromMs, toMs }: Period): string {
  const period = { start: new Date(fromMs).toISOString(), end: new Date(toMs).toISOString() };
  const charged = rows.filter(({ requests }) => requests > 0n);
  return csvLines([
    Object.keys(FOCUS_COLUMNS),
    ...charged.map((row) => Object.values(FOCUS_COLUMNS).map((value) => value(row, period))),
  ]);
}

/** Groups that have no column of their own, as JSON; FOCUS has Tags in that form. */
function tagsOf({ group, requests }: SpendRow): string {
  const known = new Set(["team", "model", "provider"]);
  const tags = Object.entries(group).filter(([name, value]) => !known.has(name) && value !== null);
  return JSON.stringify({ ...Object.fromEntries(tags), requests: String(requests) });
}
