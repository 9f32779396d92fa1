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

/** Whether a body is SSE, as far as its first bytes tell. */
export const enum Beginning {
  Other = 0,
  /** A field's name that is not over. */
  Open = 1,
  Sse = 2,
}

/** What begins with these bytes, the first one lowest; as many as are needed to know. */
export function beginning(bytes: u64, length: i32): Beginning {
  const first = <u8>bytes;
  let at = bytesOf(FIELDS);
  if (first == 0x65) at += 5;
  else if (first == 0x69) at += 11;
  else if (first == 0x72) at += 14;
  else if (first != 0x64) at += 4;
  for (let i = 0; i < length; i++, bytes >>= 8) {
    const byte = <u8>bytes;
    if (byte != load<u8>(at + <usize>i)) return Beginning.Other;
    if (byte == 0x3a) return Beginning.Sse;
  }
  return Beginning.Open;
}
