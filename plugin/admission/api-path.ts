import { contains, isText, startsWithAnyCase, utf8 } from "../abi/text";
import { ApiRoute } from "../filter-config";
import { Ascii, hexDigit } from "../scan/ascii";
import { findEither } from "../scan/byte-search";
import { ByteWriter } from "../scan/json-write";
import { Bytes } from "../settlement/captured";
import { RequestHead } from "./attributes";

const PERCENT: u8 = 0x25;
const HASH: u8 = 0x23;
const QUESTION: u8 = 0x3f;
const STAR: u8 = 0x2a;
const COLON: u8 = 0x3a;
/** The bit by which the cases of an ASCII letter differ. */
const LOWER_CASE: u8 = 0x20;

/** Which API a path is, and the model where the path names it. */
export class ApiMatch {
  constructor(
    readonly route: ApiRoute,
    readonly model: Bytes | null,
  ) {}
}

const clean = new ByteWriter();
/** Where the last suffix that matched has its model; 0: it names none. */
let modelStart: usize = 0;
let modelEnd: usize = 0;

/** May the request have a JSON body that tells what it is? */
export function isJsonPost(head: RequestHead): bool {
  const type = head.contentType;
  return isPost(head) && contains(type.ptr, type.length, utf8("json"));
}

/** May the request be one of an API that is not known yet? */
export function isLlmPost(head: RequestHead): bool {
  return isJsonPost(head) || (isPost(head) && isForm(head));
}

function isPost(head: RequestHead): bool {
  const method = head.method;
  return isText(method.ptr, method.length, utf8("POST"));
}

/** Does the request say that its body is a form with files (RFC 7578)? */
export function isForm(head: RequestHead): bool {
  const type = head.contentType;
  return startsWithAnyCase(type.ptr, type.length, utf8("multipart/form-data"));
}

/**
 * The first route of the request's method whose pattern is a suffix of its path, or null. The
 * query is cut off and percent-encoded unreserved characters (RFC 3986, 2.3) and ":", which means
 * the same in a path, are decoded first, so that no spelling of a path gets round the filter.
 */
export function matchApi(routes: ApiRoute[], head: RequestHead): ApiMatch | null {
  const method = head.method;
  normalise(head.path.ptr, head.path.length);
  const last: u8 = clean.length == 0 ? 0 : load<u8>(clean.ptr + <usize>clean.length - 1);
  for (let i = 0; i < routes.length; i++) {
    const route = unchecked(routes[i]);
    // Most patterns end with another letter, which is looked at first since there are many.
    if (differs(route.lastByte, last) && route.lastByte != 0) continue;
    if (!isText(method.ptr, method.length, route.method.text)) continue;
    if (!matchSuffix(route.pattern)) continue;
    const size = <i32>(modelEnd - modelStart);
    return size == 0 ? route.match : new ApiMatch(route, new Bytes(modelStart, size));
  }
  return null;
}

/** Cuts the query and fragment off and decodes %41-like spellings of what needs none. */
function normalise(ptr: usize, length: i32): void {
  clean.reset();
  const end = findEither(ptr, ptr + <usize>length, QUESTION, HASH);
  while (ptr < end) {
    const plain = findEither(ptr, end, PERCENT, PERCENT);
    clean.raw(ptr, <i32>(plain - ptr));
    ptr = plain;
    if (ptr == end) break;
    const decoded = end - ptr > 2 ? hexPair(ptr + 1) : -1;
    const isDecoded = decoded >= 0 && needsNoEncoding(decoded);
    clean.byte(isDecoded ? <u8>decoded : PERCENT);
    ptr += isDecoded ? 3 : 1;
  }
  const last = clean.length - 1;
  if (last > 0 && load<u8>(clean.ptr + <usize>last) == Ascii.Slash) clean.length = last;
}

function hexPair(ptr: usize): i32 {
  const high = hexDigit(load<u8>(ptr));
  const low = hexDigit(load<u8>(ptr, 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function needsNoEncoding(code: i32): bool {
  const lower: u32 = code | 0x20;
  if (lower - 0x61 < 26 || <u32>code - 0x30 < 10) return true;
  return code == 0x2d || code == 0x2e || code == 0x5f || code == 0x7e || code == COLON;
}

/** In more than the case, which there are servers that do not look at. */
function differs(byte: u8, other: u8): bool {
  return ((byte ^ other) & ~LOWER_CASE) != 0;
}

/**
 * Matches from the end backwards: literal characters must be equal but for their case, `*` and
 * `{model}` take one or more characters that are not "/". A wildcard is always bounded by a literal
 * or a "/" on its left, so no backtracking.
 */
function matchSuffix(pattern: Bytes): bool {
  const first = pattern.ptr;
  let p = first + <usize>pattern.length;
  const begin = clean.ptr;
  let s = begin + <usize>clean.length;
  modelStart = 0;
  modelEnd = 0;
  while (p > first) {
    const code = load<u8>(--p);
    const isModel = code == Ascii.CloseBrace;
    if (!isModel && code != STAR) {
      if (s == begin || differs(load<u8>(--s), code)) return false;
      continue;
    }
    while (isModel && load<u8>(p) != Ascii.OpenBrace && p > first) p--;
    const stop = p > first ? load<u8>(p - 1) : Ascii.Slash;
    const end = s;
    while (s > begin && load<u8>(s - 1) != stop && load<u8>(s - 1) != Ascii.Slash) s--;
    if (s == end) return false;
    if (isModel) {
      modelStart = s;
      modelEnd = end;
    }
  }
  return true;
}
