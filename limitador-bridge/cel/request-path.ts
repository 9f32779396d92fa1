/** The path that policies compare: one text for all the ways to write the same path. Pure. */
import { isOfPath } from "../usage/api-path.ts";
import { API_ROUTES } from "../usage/api-routes.ts";

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

/**
 * The path that policies compare, of one as it was sent (no query): its normal form. Where that is
 * an API's only with its encoded slashes decoded, or without the one at its end, it is taken so,
 * for there are servers that do. Where a name may stand in the path, `%2F` is part of it.
 */
export function comparedPath(path: string): string {
  const normal = withPlainVerb(normalPath(path));
  if (!normal.includes("%2F") && !normal.endsWith("/")) return normal;
  if (/[{*]/.test(apiPattern(normal) ?? "")) return normal;
  const plain = normalPath(normal.replaceAll("%2F", "/")).replace(/(.)\/$/, "$1");
  return apiPattern(plain) === undefined ? normal : plain;
}

/** A part of a path in the spelling that all of comparedPath's have: `%63//` is `c/`. */
export function comparedPathPart(part: string): string {
  return decodeUnreserved(part).replace(/\/{2,}/g, "/");
}

/** `…/models/m%3AgenerateContent` with its colon: servers decode it, and clients send both. */
function withPlainVerb(path: string): string {
  const at = path.lastIndexOf("%3A");
  if (at < path.lastIndexOf("/")) return path;
  const verb = path.slice(at + "%3A".length);
  return apiPattern(path)?.endsWith(`}:${verb}`) ? `${path.slice(0, at)}:${verb}` : path;
}

function apiPattern(path: string): string | undefined {
  return API_ROUTES.find((route) => isOfPath(route, path))?.path;
}
