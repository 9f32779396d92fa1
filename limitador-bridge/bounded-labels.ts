/** Bounds for what clients can make of labels: they choose models, and often teams and apps. */

/** Distinct values of one label. */
const MAX_LABEL_VALUES = 500;
/** Distinct combinations of the labels of one metric. */
export const MAX_SERIES = 5000;

/** Takes the place of values beyond the bounds. */
export const OTHER = "other";
const UNKNOWN = "unknown";

export type BoundedLabel = (value: string | null) => string;

/** Keeps the first 500 values of a label as they are and calls all later ones "other". */
export function boundedLabel(maxValues: number = MAX_LABEL_VALUES): BoundedLabel {
  const known = new Set<string>();
  return (value) => {
    if (value === null) return UNKNOWN;
    if (known.has(value)) return value;
    if (known.size >= maxValues) return OTHER;
    known.add(value);
    return value;
  };
}

/**
 * Keeps the first 5000 combinations of a metric's labels. Of later ones only the labels in `kept`
 * are told, so that sums over those stay right.
 */
export function boundedSeries(
  kept: readonly string[],
  maxSeries: number = MAX_SERIES,
): <T extends Record<string, string>>(labels: T) => T {
  const known = new Set<string>();
  return (labels) => {
    const series = JSON.stringify(labels);
    if (known.has(series)) return labels;
    if (known.size < maxSeries) {
      known.add(series);
      return labels;
    }
    const all = Object.entries(labels).map(([name, value]) => [
      name,
      kept.includes(name) ? value : OTHER,
    ]);
    return Object.fromEntries(all) as typeof labels;
  };
}
