/** Drift for programs: CSV and JSON. Pure. */

import { jsonInteger, nanoUsdText } from "../nano-usd-text.ts";
import { csvLines, csvText } from "./csv.ts";
import type { Drift, DriftRow } from "./drift.ts";

/** One line for each model, and one for the total. */
export function driftCsv({ rows, total }: Drift): string {
  return csvLines([
    ["model", "ours_usd", "invoice_usd", "difference_usd", "percent", "flagged"],
    ...[...rows, total].map((row) => [
      csvText(row.model),
      nanoUsdText(row.oursNanoUsd),
      nanoUsdText(row.theirsNanoUsd),
      nanoUsdText(row.differenceNanoUsd),
      row.percent ?? "",
      String(row.flagged),
    ]),
  ]);
}

/** As plain values for JSON. */
export function driftJson({ rows, total, flagged }: Drift): object {
  return { rows: rows.map(rowJson), total: rowJson(total), flagged };
}

function rowJson(row: DriftRow): object {
  return {
    model: row.model,
    oursNanoUsd: jsonInteger(row.oursNanoUsd),
    invoiceNanoUsd: jsonInteger(row.theirsNanoUsd),
    differenceNanoUsd: jsonInteger(row.differenceNanoUsd),
    percent: row.percent,
    flagged: row.flagged,
  };
}
