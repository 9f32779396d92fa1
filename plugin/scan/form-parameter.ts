import { lengthOf, startsWithAnyCase, Text } from "../abi/text";
import { Ascii } from "./ascii";

const SEMICOLON: u8 = 0x3b;
const PERCENT: u8 = 0x25;
/** The characters 22. */
const QUOTE_DIGITS: u16 = 0x3232;

/** Of the parameter that was read last; its value without quotes and escapes. */
export let valuePtr: usize = 0;
export let valueLength: i32 = 0;
let name: usize = 0;
let nameLength: i32 = 0;
/** What comes next, at the semicolon before it. */
let at: usize = 0;
let end: usize = 0;

/** Begins to read the parameters of the header value in [ptr, ptr + length). */
export function openParameters(ptr: usize, length: i32): void {
  end = ptr + <usize>length;
  at = find(ptr, SEMICOLON);
}

/**
 * Goes to the next parameter (RFC 2045, section 5.1); false: there is none.
 *
 *   parameter = attribute "=" value      value = token / quoted-string
 *
 * Lenient as those who read forms are: white space may stand anywhere around. The header is
 * changed where a value has escapes.
 */
export function nextParameter(): bool {
  if (at >= end) return false;
  name = skipSpace(at + 1);
  at = find(name, SEMICOLON);
  let equals = name;
  while (equals < at && load<u8>(equals) != Ascii.Equals) equals++;
  nameLength = trimmed(name, equals);
  valuePtr = skipSpace(min(equals + 1, at));
  if (valuePtr < end && load<u8>(valuePtr) == Ascii.Quote) readQuoted(valuePtr + 1);
  else valueLength = trimmed(valuePtr, at);
  return true;
}

/** Whether the parameter's name, in any case, is the text, which is in lower case. */
export function isParameter(text: Text): bool {
  return nameLength == lengthOf(text) && startsWithAnyCase(name, nameLength, text);
}

/** Whether the parameter's name begins with the text. */
export function isParameterLike(text: Text): bool {
  return startsWithAnyCase(name, nameLength, text);
}

/**
 * A backslash stands for itself but before a quote or another one: some clients write file names
 * with bare ones. Browsers write a quote as %22 (RFC 7578, section 2).
 */
function readQuoted(p: usize): void {
  let to = p;
  valuePtr = p;
  for (; p < end; p++) {
    let byte = load<u8>(p);
    if (byte == Ascii.Quote) break;
    if (byte == PERCENT && end - p > 2 && load<u16>(p, 1) == QUOTE_DIGITS) {
      byte = Ascii.Quote;
      p += 2;
    } else if (byte == Ascii.Backslash && end - p > 1) {
      const next = load<u8>(p, 1);
      if (next == Ascii.Quote || next == Ascii.Backslash) {
        byte = next;
        p++;
      }
    }
    store<u8>(to++, byte);
  }
  valueLength = <i32>(to - valuePtr);
  at = find(p, SEMICOLON);
}

function skipSpace(p: usize): usize {
  while (p < end && load<u8>(p) <= Ascii.Space) p++;
  return p;
}

function find(p: usize, byte: u8): usize {
  while (p < end && load<u8>(p) != byte) p++;
  return p;
}

/** Length of [p, to) without the white space at its end. */
function trimmed(p: usize, to: usize): i32 {
  while (to > p && load<u8>(to - 1) <= Ascii.Space) to--;
  return <i32>(to - p);
}
