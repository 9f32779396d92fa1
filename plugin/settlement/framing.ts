import { bytesOf, Text, utf8 } from "../abi/text";

/** The fields of SSE, each with its end (WHATWG HTML, section 9.2.5). */
const FIELDS = utf8("data:event:id:retry:");

/** How a response body is read; the names that settlements carry are in `framingName`. */
export const enum Framing {
  None = 0,
  Undecided = 1,
  Json = 2,
  Sse = 3,
  EventStream = 4,
  Opaque = 5,
}

/** The contract's word for a framing. */
export function framingName(framing: Framing): Text {
  if (framing == Framing.Json) return utf8("json");
  if (framing == Framing.Sse) return utf8("sse");
  if (framing == Framing.EventStream) return utf8("eventstream");
  if (framing == Framing.Opaque) return utf8("opaque");
  return utf8("none");
}

/** How a body is encoded; zlib and gzip are told apart by what comes. */
export const enum Encoding {
  None = 0,
  Zip = 1,
  Other = 2,
}

/** Does SSE begin with these bytes? As far as there are any: a name may be cut off. */
export function beginsSse(ptr: usize, end: usize): bool {
  const first = load<u8>(ptr);
  let at = bytesOf(FIELDS);
  if (first == 0x65) at += 5;
  else if (first == 0x69) at += 11;
  else if (first == 0x72) at += 14;
  else if (first != 0x64) at += 4;
  for (; ptr < end; ptr++, at++) {
    const byte = load<u8>(ptr);
    if (byte != load<u8>(at)) return false;
    if (byte == 0x3a) break;
  }
  return true;
}
