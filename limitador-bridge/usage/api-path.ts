/** Which paths belong to an API (see ApiRoute.path). Pure. */
import type { ApiRoute } from "../contract/filter.ts";

const patterns = new Map<string, RegExp>();

/** Before the verb, as in `{model}:generateContent`; some clients encode it. */
const COLON = "(?::|%3A)";

/**
 * Whether a path, without its query, belongs to an API: whether it ends with the API's pattern, in
 * whatever case, as the filter matches it, too.
 */
export function isOfPath(route: Pick<ApiRoute, "path">, path: string): boolean {
  return patternOf(route.path).test(path);
}

function patternOf(path: string): RegExp {
  let pattern = patterns.get(path);
  if (pattern === undefined) {
    const escaped = path
      .split(/(\{model\}|\*)/)
      .map((part, i) => (i % 2 === 1 ? "[^/]+" : part.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&")));
    pattern = new RegExp(`${escaped.join("").replaceAll(":", COLON)}$`, "i");
    patterns.set(path, pattern);
  }
  return pattern;
}
