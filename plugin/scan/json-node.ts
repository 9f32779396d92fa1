import { equals, Text } from "../abi/text";
import { Ascii } from "./ascii";

const LONGEST_INT_DIGITS: i32 = 18;

/** A JSON value, and all that is in it. */
export class JsonNode {
  /** A string's text, decoded; a number as written; else empty. */
  text: string = "";
  /** Keys of an object, in the order of `items`. */
  keys: string[];
  /** Items of an array, values of an object. */
  items: JsonNode[];
  /** Where the value ends in the text that was parsed, bytes. */
  end: i32 = 0;

  constructor(
    /** First byte of the value, `0` for any number. */
    readonly type: u8,
    /** Where the value begins in the text that was parsed, bytes. */
    readonly start: i32,
  ) {
    this.keys = type == Ascii.OpenBrace ? new Array<string>() : noKeys;
    const isContainer = type == Ascii.OpenBrace || type == Ascii.OpenBracket;
    this.items = isContainer ? new Array<JsonNode>() : noItems;
  }

  /** The member of an object with this key, the last where there are several. */
  get(key: Text): JsonNode | null {
    const keys = this.keys;
    for (let i = keys.length - 1; i >= 0; i--) {
      if (equals(keys[i], key)) return this.items[i];
    }
    return null;
  }

  /** The string at `key`, or `fallback` where there is none. */
  str(key: Text, fallback: string): string {
    const node = this.get(key);
    return node != null && node.type == Ascii.Quote ? node.text : fallback;
  }

  /** Is this a string that says so? */
  is(text: Text): bool {
    return this.type == Ascii.Quote && equals(this.text, text);
  }

  /** The integer at `key`, of up to 18 digits, or `fallback` where there is none. */
  int(key: Text, fallback: i64): i64 {
    const node = this.get(key);
    return node == null ? fallback : node.integer(fallback);
  }

  /** This as an integer of up to 18 digits, or `fallback` where it is none. */
  integer(fallback: i64): i64 {
    const text = this.text;
    const isNegative = this.type == Ascii.Zero && text.charCodeAt(0) == Ascii.Minus;
    const from = isNegative ? 1 : 0;
    if (this.type != Ascii.Zero || text.length - from > LONGEST_INT_DIGITS) return fallback;
    let value: i64 = 0;
    for (let i = from; i < text.length; i++) {
      const digit = text.charCodeAt(i) - Ascii.Zero;
      if (digit < 0 || digit > 9) return fallback;
      value = value * 10 + digit;
    }
    return isNegative ? -value : value;
  }

  /** The boolean at `key`, or `fallback` where there is none. */
  bool(key: Text, fallback: bool): bool {
    const node = this.get(key);
    if (node == null) return fallback;
    if (node.type == Ascii.LowerT) return true;
    return node.type == Ascii.LowerF ? false : fallback;
  }
}

/** Shared by all values that hold no others, so that each takes less memory. */
const noKeys: string[] = [];
const noItems: JsonNode[] = [];
