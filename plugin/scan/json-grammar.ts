import { Ascii, isMarkByte, isSpace } from "./ascii";
import { findEither } from "./byte-search";
import { ByteSink } from "./byte-sink";
import { ScalarProgress, ScalarReader } from "./json-scalar";
import { StringReader, StringUse } from "./string-reader";

/** Containers within each other; more are malformed. */
const MAX_DEPTH: i32 = 128;

/** What may come next. */
const enum State {
  /** Between top-level values. */
  Outside,
  /** After `[`. */
  FirstItem,
  /** After the comma of an array. */
  Item,
  /** After `{`. */
  FirstKey,
  /** After the comma of an object. */
  NextKey,
  Key,
  Colon,
  Member,
  AfterValue,
  String,
  Scalar,
  Failed,
}

/** Type of a value by its first byte: that byte, `0` for any number. */
export function typeOf(first: u8): u8 {
  return first == Ascii.Minus || (first as u32) - Ascii.Zero < 10 ? Ascii.Zero : first;
}

/**
 * Reads a sequence of JSON values (RFC 8259) that come in pieces of any size, with or without
 * white space between them, and calls the abstract methods below as it goes:
 *
 *   stream = [ byte-order-mark ] *( ws value ) ws
 *   value  = object / array / string / number / "true" / "false" / "null"
 *   object = "{" ws [ member *( "," ws member ) ] "}"     member = string ws ":" ws value ws
 *   array  = "[" ws [ value ws *( "," ws value ws ) ] "]"
 *
 * Strict in structure, numbers and literals; the inside of strings is not judged. After a
 * failure it takes no more until begin(). What a method below is told of is only what is in the
 * containers up to number `watched`, so that the rest is passed over quickly.
 */
export abstract class JsonGrammar extends ByteSink {
  /** Containers that are open. */
  protected depth: i32 = 0;
  protected watched: i32 = 0;
  /** A document was nested too deeply to be read, which says nothing of whether it is JSON. */
  tooDeep: bool = false;
  private state: State = State.Outside;
  /** True until a stream has more than a byte order mark. */
  private fresh: bool = true;
  /** First bytes of the open containers, from 1. */
  private brackets: StaticArray<u8> = new StaticArray<u8>(MAX_DEPTH + 1);
  private scalar: ScalarReader = new ScalarReader();

  constructor(protected strings: StringReader) {
    super();
  }

  /** A top-level value begins with `byte`; valueBegins follows. */
  protected abstract topBegins(byte: u8): void;
  /** An item of the innermost array begins with `byte`; valueBegins follows. */
  protected abstract itemBegins(byte: u8): void;
  /** A member of the innermost object begins, its key (decoded) is the `len` bytes at `ptr`. */
  protected abstract memberBegins(ptr: usize, len: i32): void;
  /** A member of the innermost object begins whose key is too long to read. */
  protected abstract longMemberBegins(): void;
  /** A value begins at `p`. Returns what to read it for where it is a string. */
  protected abstract valueBegins(type: u8, p: usize): StringUse;
  /** The container that just began is open, as number `depth`; sets `watched` to watch it. */
  protected abstract containerOpens(): void;
  /** The first byte within the container that just began has come. */
  protected abstract contentBegins(type: u8, empty: bool): void;
  /** `strings.textBytes` more bytes of the text of a string have come. */
  protected abstract textGrows(): void;
  /** A value ended just before `p`, within `depth` containers. */
  protected abstract valueEnds(p: usize): void;
  /** What came is not JSON, or not all of it. */
  protected abstract documentFails(): void;

  /** What comes next is a new stream. */
  protected begin(): void {
    this.state = State.Outside;
    this.fresh = true;
    this.depth = 0;
    this.watched = 0;
  }

  /** Reads the bytes in [p, end). */
  protected read(p: usize, end: usize): void {
    while (p < end) {
      switch (this.state) {
        case State.String:
          p = this.readString(p, end);
          continue;
        case State.Key:
          p = this.readKey(p, end);
          continue;
        case State.Scalar:
          p = this.readScalar(p, end);
          continue;
        case State.Failed:
          return;
        default: {
          const byte = load<u8>(p);
          p = byte <= Ascii.Space && isSpace(byte) ? p + 1 : this.readToken(p, end, byte);
        }
      }
    }
  }

  /** The stream ends: fails where a value, other than a complete top-level number, is open. */
  protected finish(): void {
    if (this.state == State.Scalar && this.depth == 0 && this.scalar.mayEnd()) {
      this.endValue(0);
    } else if (this.state != State.Outside) {
      this.fail();
    }
  }

  /** Gives up until begin(). */
  fail(): void {
    if (this.state == State.Failed) return;
    this.state = State.Failed;
    this.documentFails();
  }

  private failAt(p: usize): usize {
    this.fail();
    return p;
  }

  /** Reads what begins with `byte` at `p`, which is not white space. */
  private readToken(p: usize, end: usize, byte: u8): usize {
    switch (this.state) {
      case State.AfterValue:
        return this.readSeparator(p, byte);
      case State.FirstItem:
        this.beginContent(Ascii.OpenBracket, byte == Ascii.CloseBracket);
        return byte == Ascii.CloseBracket ? this.closeContainer(p) : this.beginItem(p, end, byte);
      case State.Item:
        return this.beginItem(p, end, byte);
      case State.FirstKey:
        this.beginContent(Ascii.OpenBrace, byte == Ascii.CloseBrace);
        return byte == Ascii.CloseBrace ? this.closeContainer(p) : this.beginKey(p, end, byte);
      case State.NextKey:
        return this.beginKey(p, end, byte);
      case State.Colon:
        if (byte != Ascii.Colon) return this.failAt(p);
        this.state = State.Member;
        return p + 1;
      case State.Member:
        return this.beginValue(p, end, byte);
      default:
        return this.beginTop(p, end, byte);
    }
  }

  private beginTop(p: usize, end: usize, byte: u8): usize {
    if (this.fresh && isMarkByte(byte)) return p + 1;
    this.fresh = false;
    this.topBegins(byte);
    return this.beginValue(p, end, byte);
  }

  private beginItem(p: usize, end: usize, byte: u8): usize {
    if (this.depth <= this.watched) this.itemBegins(byte);
    return this.beginValue(p, end, byte);
  }

  private beginValue(p: usize, end: usize, byte: u8): usize {
    if (byte == Ascii.Quote) {
      const use = this.depth <= this.watched ? this.valueBegins(byte, p) : StringUse.Nothing;
      this.state = State.String;
      this.strings.begin(use);
      return p + 1 < end ? this.readString(p + 1, end) : end;
    }
    if (byte == Ascii.OpenBrace) return this.openContainer(p, byte, State.FirstKey);
    if (byte == Ascii.OpenBracket) return this.openContainer(p, byte, State.FirstItem);
    if (!this.scalar.begin(byte)) return this.failAt(p);
    if (this.depth <= this.watched) this.valueBegins(typeOf(byte), p);
    this.state = State.Scalar;
    return p + 1 < end ? this.readScalar(p + 1, end) : end;
  }

  private openContainer(p: usize, type: u8, next: State): usize {
    if (this.depth == MAX_DEPTH) {
      this.tooDeep = true;
      return this.failAt(p);
    }
    const isWatched = this.depth <= this.watched;
    if (isWatched) this.valueBegins(type, p);
    unchecked((this.brackets[++this.depth] = type));
    if (isWatched) this.containerOpens();
    this.state = next;
    return p + 1;
  }

  private beginContent(type: u8, empty: bool): void {
    // The container itself is in the one before.
    if (this.depth - 1 <= this.watched) this.contentBegins(type, empty);
  }

  private closeContainer(p: usize): usize {
    const depth = --this.depth;
    if (this.watched > depth) this.watched = depth;
    this.endValue(p + 1);
    return p + 1;
  }

  private endValue(p: usize): void {
    this.state = this.depth == 0 ? State.Outside : State.AfterValue;
    if (this.depth <= this.watched) this.valueEnds(p);
  }

  private readSeparator(p: usize, byte: u8): usize {
    const inObject = unchecked(this.brackets[this.depth]) == Ascii.OpenBrace;
    if (byte == Ascii.Comma) {
      this.state = inObject ? State.NextKey : State.Item;
      return p + 1;
    }
    if (byte == (inObject ? Ascii.CloseBrace : Ascii.CloseBracket)) return this.closeContainer(p);
    return this.failAt(p);
  }

  /** A key that is whole in this chunk, and has no escapes, is taken where it stands. */
  private beginKey(p: usize, end: usize, byte: u8): usize {
    if (byte != Ascii.Quote) return this.failAt(p);
    const start = p + 1;
    const isWatched = this.depth <= this.watched;
    const stop = findEither(start, end, Ascii.Quote, Ascii.Backslash);
    if (stop == end || load<u8>(stop) != Ascii.Quote) {
      this.state = State.Key;
      this.strings.begin(isWatched ? StringUse.Key : StringUse.Nothing);
      return start;
    }
    if (isWatched) this.memberBegins(start, (stop - start) as i32);
    p = stop + 1;
    const hasColon = p < end && load<u8>(p) == Ascii.Colon;
    this.state = hasColon ? State.Member : State.Colon;
    return hasColon ? p + 1 : p;
  }

  private readKey(p: usize, end: usize): usize {
    const strings = this.strings;
    p = strings.read(p, end);
    if (!strings.closed) return p;
    this.state = State.Colon;
    if (this.depth > this.watched) return p;
    if (strings.hasKey()) this.memberBegins(strings.key(), strings.keyLength);
    else this.longMemberBegins();
    return p;
  }

  private readString(p: usize, end: usize): usize {
    const strings = this.strings;
    p = strings.read(p, end);
    if (strings.textBytes != 0) this.textGrows();
    if (strings.closed) this.endValue(p);
    return p;
  }

  private readScalar(p: usize, end: usize): usize {
    const scalar = this.scalar;
    p = scalar.read(p, end);
    if (scalar.progress == ScalarProgress.Complete) this.endValue(p);
    else if (scalar.progress == ScalarProgress.Malformed) this.fail();
    return p;
  }
}
