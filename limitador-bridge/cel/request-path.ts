/** The path that policies compare: one text for all the ways to write the same path. Pure. */

const ENCODED = /%([0-9A-Fa-f]{2})/g;
const UNRESERVED = /[A-Za-z0-9\-._~]/;

/** Splits a request target at the first "?". A fragment, which none should send, is dropped. */
export function splitTarget(target: string): { path: string; query: string } {
  const fragment = target.indexOf("#");
  const whole = fragment === -1 ? target : target.slice(0, fragment);
  const mark = whole.indexOf("?");
  if (mark === -1) return { path: whole, query: "" };
  return { path: whole.slice(0, mark), query: whole.slice(mark + 1) };
}

function decodeUnreserved(path: string): string {
  // RFC 3986 2.3: "URIs that differ in the replacement of an unreserved character with its
  // corresponding percent-encoded US-ASCII octet are equivalent".
  return path.replace(ENCODED, (encoded, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return UNRESERVED.test(char) ? char : encoded.toUpperCase();
  });
}

/**
 * The normal form of a path (no query): unreserved characters decoded, dot segments removed
 * (RFC 3986 6.2.2.3), repeated slashes merged as most servers do.
 */
export function normalPath(path: string): string {
  const decoded = decodeUnreserved(path);
  if (!decoded.startsWith("/") || !/\/(?:\/|\.\.?(?:\/|$))/.test(decoded)) return decoded;
  const segments: string[] = [];
  const parts = decoded.split("/").slice(1);
  const last = parts.at(-1);
  for (const part of parts) {
    if (part === "..") segments.pop();
    else if (part !== "." && part !== "") segments.push(part);
  }
  const isFolder = last === "" || last === "." || last === "..";
  const normal = `/${segments.join("/")}`;
  return isFolder && normal !== "/" ? `${normal}/` : normal;
}
