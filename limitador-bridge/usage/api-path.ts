/** Which paths belong to an API (see ApiRoute.path). Pure. */
import type { ApiRoute } from "../contract/filter.ts";

/** An API's route, and the model where the path names it. */
export interface ApiOfPath {
  route: ApiRoute;
  model: string | null;
}

const patterns = new Map<string, RegExp>();

/** Before the verb, as in `{model}:generateContent`; some clients encode it. */
const COLON = "(?::|%3A)";
/** Encoded, though it need not be (RFC 3986, 2.3), and ":", which means the same in a path. */
const NEEDLESSLY_ENCODED = /%(?:3[0-9A]|[46][1-9A-F]|[57][0-9A]|2D|2E|5F|7E)/gi;

/**
 * Whether a path, without its query, belongs to an API: whether it ends with the API's pattern, in
 * whatever case, as the filter matches it, too.
 */
export function isOfPath(route: Pick<ApiRoute, "path">, path: string): boolean {
  return patternOf(route.path).test(path);
}

/**
 * What the filter takes a request for: the first API of its method that its path belongs to.
 * @param path as it was sent, without its query
 */
export function apiOfPath(
  path: string,
  method: string,
  apis: readonly ApiRoute[],
): ApiOfPath | null {
  const plain = path
    .replace(NEEDLESSLY_ENCODED, (encoded) =>
      String.fromCharCode(Number.parseInt(encoded.slice(1), 16)),
    )
    .replace(/(.)\/$/s, "$1");
  for (const route of apis) {
    if ((route.method ?? "POST") !== method) continue;
    const found = patternOf(route.path).exec(plain);
    if (found !== null) return { route, model: found[1] ?? null };
  }
  return null;
}

function patternOf(path: string): RegExp {
  let pattern = patterns.get(path);
  if (pattern === undefined) {
    const parts = path.split(/(\{model\}|\*)/);
    const source = parts.map((part, i) => {
      if (i % 2 === 0) return escaped(part).replaceAll(":", COLON);
      // A name ends where the text before it may begin, so that there is one way to read a path.
      const any = `[^/${escaped(parts[i - 1]?.at(-1) ?? "")}]+`;
      return part === "*" ? any : `(${any})`;
    });
    pattern = new RegExp(`${source.join("")}$`, "i");
    patterns.set(path, pattern);
  }
  return pattern;
}

function escaped(text: string): string {
  return text.replace(/[$()*+\-./?[\\\]^{|}]/g, "\\$&");
}
