/**
 * The largest integer in [least, over) that fits, where none fits above one that does not. `least`
 * is taken to fit.
 */
export function largestWithin(
  least: number,
  over: number,
  fits: (candidate: number) => boolean,
): number {
  let known = least;
  let end = over;
  while (end - known > 1) {
    const middle = known + Math.floor((end - known) / 2);
    if (fits(middle)) known = middle;
    else end = middle;
  }
  return known;
}
