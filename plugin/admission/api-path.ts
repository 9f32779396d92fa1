import { ApiRoute } from "../filter-config";

/** Which API a path is, and the model where the path names it. */
export class ApiMatch {
  constructor(
    public route: ApiRoute,
    public model: string,
  ) {}
}

/**
 * The first route whose pattern is a suffix of `path`, or null.
 *
 * path: the request's :path; the query is cut off and percent-encoded unreserved characters
 * (RFC 3986, 2.3) are decoded first, so that no spelling of a path gets round the filter.
 */
export function matchApi(routes: ApiRoute[], method: string, path: string): ApiMatch | null {
  const clean = normalise(path);
  for (let i = 0; i < routes.length; i++) {
    const route = routes[i];
    if (route.method != method) continue;
    const model = matchSuffix(route.pattern, clean);
    if (model !== null) return new ApiMatch(route, model);
  }
  return null;
}

/** Cuts the query and fragment off and decodes %41-like spellings of unreserved characters. */
export function normalise(path: string): string {
  let end = path.indexOf("?");
  const fragment = path.indexOf("#");
  if (fragment >= 0 && (end < 0 || fragment < end)) end = fragment;
  let clean = end < 0 ? path : path.substring(0, end);
  if (clean.includes("%")) clean = decodeUnreserved(clean);
  if (clean.length > 1 && clean.endsWith("/")) clean = clean.substring(0, clean.length - 1);
  return clean;
}

function decodeUnreserved(path: string): string {
  let out = "";
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    const decoded = code == 0x25 && i + 2 < path.length ? hexPair(path, i + 1) : -1;
    if (decoded >= 0 && isUnreserved(decoded)) {
      out += String.fromCharCode(decoded);
      i += 2;
    } else {
      out += String.fromCharCode(code);
    }
  }
  return out;
}

function hexPair(path: string, at: i32): i32 {
  const high = hexDigit(path.charCodeAt(at));
  const low = hexDigit(path.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: i32): i32 {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

function isUnreserved(code: i32): bool {
  const lower = code | 0x20;
  if (lower >= 0x61 && lower <= 0x7a) return true;
  if (code >= 0x30 && code <= 0x39) return true;
  return code == 0x2d || code == 0x2e || code == 0x5f || code == 0x7e;
}

/**
 * Matches from the end backwards: literal characters must be equal, `*` and `{model}` take one
 * or more characters that are not "/". Returns the model ("" when the pattern names none), or
 * null. A wildcard is always bounded by a literal or a "/" on its left, so no backtracking.
 */
function matchSuffix(pattern: string, path: string): string | null {
  let p = pattern.length - 1;
  let s = path.length - 1;
  let model = "";
  while (p >= 0) {
    const code = pattern.charCodeAt(p);
    const isModel = code == 0x7d;
    if (!isModel && code != 0x2a) {
      if (s < 0 || path.charCodeAt(s) != code) return null;
      p--;
      s--;
      continue;
    }
    p = isModel ? pattern.lastIndexOf("{", p) - 1 : p - 1;
    const stop = p >= 0 ? pattern.charCodeAt(p) : 0x2f;
    const end = s;
    while (s >= 0 && path.charCodeAt(s) != stop && path.charCodeAt(s) != 0x2f) s--;
    if (s == end) return null;
    if (isModel) model = path.substring(s + 1, end + 1);
  }
  return model;
}
