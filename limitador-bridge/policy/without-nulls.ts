/** Objects as the API server takes them: a field that is null is one that is left out. Pure. */

/**
 * @param value plain values, as of a YAML document
 * @returns the value without the members of its maps that are null; items of lists stay
 */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([key, member]) => [key, withoutNulls(member)]));
}
