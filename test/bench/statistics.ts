/** Figures from repeated measurements. Pure. */

export interface Spread {
  median: number;
  min: number;
  max: number;
  /** Standard deviation as the median absolute deviation tells it, by the median; 0.05: 5 %. */
  relative: number;
}

/** What makes the median absolute deviation of a normal distribution its standard deviation. */
const NORMAL_SCALE = 1.4826;

/** The value that `share` (0 to 1) of the others do not exceed; NaN where there are none. */
export function percentile(ascending: ArrayLike<number>, share: number): number {
  const at = Math.max(0, Math.ceil(share * ascending.length) - 1);
  return ascending[at] ?? Number.NaN;
}

/** Times above this share are those of a shared machine. */
const UNDISTURBED = 0.1;

/** The time of what nothing else interrupted, of many times in any order; NaN of none. */
export function undisturbed(times: readonly number[]): number {
  return percentile(
    [...times].sort((a, b) => a - b),
    UNDISTURBED,
  );
}

/** The middle value, or the mean of the two in the middle; NaN where there are none. */
export function median(values: readonly number[]): number {
  const ascending = [...values].sort((a, b) => a - b);
  const middle = ascending.length / 2;
  const upper = ascending[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? (upper + (ascending[middle - 1] ?? Number.NaN)) / 2 : upper;
}

/** Median and spread of the same figure, measured in several rounds. */
export function spreadOf(values: readonly number[]): Spread {
  const middle = median(values);
  const deviation = median(values.map((value) => Math.abs(value - middle)));
  return {
    median: middle,
    min: Math.min(...values),
    max: Math.max(...values),
    relative: deviation === 0 ? 0 : (NORMAL_SCALE * deviation) / Math.abs(middle),
  };
}
