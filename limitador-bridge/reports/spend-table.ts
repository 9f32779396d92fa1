/** Reports for people at a terminal, made of what the API answers. Pure. */

import { nanoUsdText } from "../nano-usd-text.ts";
import type { Drift, DriftRow } from "./drift.ts";
import type { GroupKey, SpendJson } from "./spend.ts";
import { type TableColumn, textTable } from "./table.ts";

/** As GET /v1/spend answers. */
export interface SpendAnswer {
  from: string;
  to: string;
  groupBy: GroupKey[];
  rows: (SpendJson & Partial<Record<GroupKey, string | null>>)[];
  total: SpendJson;
}

const right = (title: string): TableColumn => ({ title, align: "right" });
const left = (title: string): TableColumn => ({ title, align: "left" });

/** Spending by group, the total below. */
export function spendTable({ from, to, groupBy, rows, total }: SpendAnswer): string {
  const sums = (row: SpendJson) => [
    row.requests,
    row.denied,
    row.tokens.input,
    row.tokens.output,
    row.tokens.total,
    row.costUsd,
  ];
  const columns = [
    ...groupBy.map((name) => left(name)),
    ...["requests", "denied", "input", "output", "tokens", "USD"].map(right),
  ];
  const cells = rows.map((row) => [
    ...groupBy.map((name) => row[name] ?? "(unknown)"),
    ...sums(row).map(String),
  ]);
  const labels = groupBy.map((_, i) => (i === 0 ? "total" : ""));
  const table = textTable(columns, cells, [...labels, ...sums(total).map(String)]);
  const unpriced =
    total.unpriced === 0 ? "" : `${total.unpriced} requests have no known price and count as 0.\n`;
  return `Spending from ${from} until ${to}\n\n${table}${unpriced}`;
}

/** Our books beside the invoice, model by model. */
export function driftTable({ rows, total }: Drift): string {
  const columns = [left("model"), ...["ours USD", "invoice USD", "difference", "%"].map(right)];
  const cells = (row: DriftRow) => [
    row.model,
    nanoUsdText(row.oursNanoUsd),
    nanoUsdText(row.theirsNanoUsd),
    nanoUsdText(row.differenceNanoUsd),
    row.percent ?? "-",
    remark(row),
  ];
  return textTable([...columns, left("")], rows.map(cells), cells(total));
}

function remark({ flagged, oursNanoUsd, theirsNanoUsd }: DriftRow): string {
  if (!flagged) return "";
  if (oursNanoUsd === 0n) return "DRIFT: not in our records";
  return theirsNanoUsd === 0n ? "DRIFT: not on the invoice" : "DRIFT";
}
