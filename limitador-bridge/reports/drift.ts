/** How far our books are from a provider's invoice. Pure. */
import { modelFamily, plainModel } from "./model-name.ts";

const FLAGGED_OVER_PERCENT = 10n;

export interface DriftRow {
  /** As our records name it; where they have none such, as the invoice does. */
  model: string;
  oursNanoUsd: bigint;
  theirsNanoUsd: bigint;
  /** Theirs − ours: above zero we counted too little. */
  differenceNanoUsd: bigint;
  /** Of the invoice's amount, with one decimal, e.g. "12.5"; null: the invoice has nothing. */
  percent: string | null;
  /** More than 10 % apart. */
  flagged: boolean;
}

export interface Drift {
  /** The largest difference first. */
  rows: DriftRow[];
  total: DriftRow;
  flagged: boolean;
}

/**
 * Compares by model. Names that only differ by case or a provider's prefix are one; what then has
 * no counterpart is compared with dated snapshots as their model.
 */
export function driftOf(
  ours: ReadonlyMap<string, bigint>,
  theirs: ReadonlyMap<string, bigint>,
): Drift {
  const pairs = new Map<string, { model: string; ours: bigint; theirs: bigint }>();
  const exact = new Set([...theirs.keys()].map(plainModel));
  const known = new Set([...ours.keys()].map(plainModel));
  const keyOf = (model: string, others: ReadonlySet<string>) =>
    others.has(plainModel(model)) ? plainModel(model) : `family ${modelFamily(model)}`;
  const add = (key: string, model: string, change: { ours: bigint; theirs: bigint }) => {
    const pair = pairs.get(key) ?? { model, ours: 0n, theirs: 0n };
    pairs.set(key, {
      model: pair.model,
      ours: pair.ours + change.ours,
      theirs: pair.theirs + change.theirs,
    });
  };
  for (const [model, cost] of ours) add(keyOf(model, exact), model, { ours: cost, theirs: 0n });
  for (const [model, cost] of theirs) add(keyOf(model, known), model, { ours: 0n, theirs: cost });
  const rows = [...pairs.values()]
    .map((pair) => driftRow(pair.model, pair.ours, pair.theirs))
    .sort((a, b) => {
      const [sizeA, sizeB] = [size(a.differenceNanoUsd), size(b.differenceNanoUsd)];
      if (sizeA !== sizeB) return sizeA > sizeB ? -1 : 1;
      return a.model < b.model ? -1 : 1;
    });
  const sum = (pick: (row: DriftRow) => bigint) => rows.reduce((all, row) => all + pick(row), 0n);
  const total = driftRow(
    "total",
    sum((row) => row.oursNanoUsd),
    sum((row) => row.theirsNanoUsd),
  );
  return { rows, total, flagged: total.flagged || rows.some((row) => row.flagged) };
}

function driftRow(model: string, ours: bigint, theirs: bigint): DriftRow {
  const difference = theirs - ours;
  return {
    model,
    oursNanoUsd: ours,
    theirsNanoUsd: theirs,
    differenceNanoUsd: difference,
    percent: theirs === 0n ? null : percentText(difference, size(theirs)),
    flagged: size(difference) * 100n > size(theirs) * FLAGGED_OVER_PERCENT,
  };
}

function size(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** Rounded away from zero, so that 10.01 % never reads as the 10.0 % that are allowed. */
function percentText(difference: bigint, of: bigint): string {
  const tenths = (size(difference) * 1000n + of - 1n) / of;
  const sign = difference < 0n ? "-" : "";
  return `${sign}${tenths / 10n}.${tenths % 10n}`;
}
