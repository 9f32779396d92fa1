/** Globs over model names: `*` is any run of characters, all else stands for itself. */

const ANY = "*";

/** Whether it stands for more than one name. */
export function isGlob(match: string): boolean {
  return match.includes(ANY);
}

/** Whether a model's name matches; letter case does not count. */
export function matchesGlob(glob: string, model: string): boolean {
  const [first = "", ...rest] = glob.toLowerCase().split(ANY);
  const name = model.toLowerCase();
  if (rest.length === 0) return name === first;
  if (!name.startsWith(first)) return false;
  const last = rest.pop() ?? "";
  let at = first.length;
  // Leftmost matches leave the most for what follows, so that no going back is needed.
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

/**
 * How specific a glob is, for comparison: a name without a `*` before all globs, then by the
 * number of characters that stand for themselves.
 */
export function specificity(glob: string): number {
  const literal = glob.replaceAll(ANY, "").length;
  return isGlob(glob) ? literal : Number.MAX_SAFE_INTEGER;
}
