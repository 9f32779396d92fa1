import { Ascii, skipSpace } from "./ascii";
import { findEither } from "./byte-search";
import { ByteSink } from "./byte-sink";
import { NumberState, numberBegin, numberComplete, numberNext } from "./json-number";
import { StringReader, StringUse } from "./string-reader";

/** Containers within each other; more are malformed. */
const MAX_DEPTH: i32 = 128;

/** What follows the first byte of a literal, the next byte lowest. */
const enum Literal {
  True = 0x657572,
  False = 0x65736c61,
  Null = 0x6c6c75,
}

/** What may come next. */
const enum State {
  /** Between top-level values. */
  Outside,
  /** After the first and the second byte of a byte order mark. */
  Mark,
  MarkEnd,
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
  Number,
  Literal,
  Failed,
}

/** Type of a value by its first byte: that byte, `0` for any number. */
export function typeOf(first: u8): u8 {
  return first == Ascii.Minus || (first as u32) - Ascii.Zero < 10 ? (Ascii.Zero as u8) : first;
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
 * failure it takes no more until begin().
 */
export abstract class JsonGrammar extends ByteSink {
  /** Containers that are open. */
  protected depth: i32 = 0;
  private state: State = State.Outside;
  /** True until the first byte of a stream, where a byte order mark may stand. */
  private fresh: bool = true;
  /** First bytes of the open containers, from 1. */
  private brackets: StaticArray<u8> = new StaticArray<u8>(MAX_DEPTH + 1);
  private number: NumberState = NumberState.Outside;
  /** Bytes of a literal that are still to come, the next one lowest. */
  private literal: u32 = 0;

  constructor(protected strings: StringReader) {
    super();
  }

  /** A top-level value begins with `byte`; valueBegins follows. */
  protected abstract topBegins(byte: u8): void;
  /** An item of the innermost array begins with `byte`; valueBegins follows. */
  protected abstract itemBegins(byte: u8): void;
  /** True where the keys of the innermost object are worth reading. */
  protected abstract wantsKeys(): bool;
  /** A member of the innermost object begins, its key (decoded) is the `len` bytes at `ptr`. */
  protected abstract memberBegins(ptr: usize, len: i32): void;
  /** A member of the innermost object begins whose key was not wanted, or is too long. */
  protected abstract otherMemberBegins(): void;
  /** A value begins at `p`. Returns what to read it for where it is a string. */
  protected abstract valueBegins(type: u8, p: usize): StringUse;
  /** The container that just began is open, as number `depth`. */
  protected abstract containerOpens(): void;
  /** The first byte within the container that just began has come. */
  protected abstract contentBegins(type: u8, empty: bool): void;
  /** The container that was number `depth` + 1 is closed; valueEnds follows. */
  protected abstract containerCloses(): void;
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
  }

  /** Reads the bytes in [p, end). */
  protected read(p: usize, end: usize): void {
    while (p < end && this.state != State.Failed) p = this.step(p, end);
  }

  /** The stream ends: fails where a value, other than a complete top-level number, is open. */
  protected finish(): void {
    if (this.state == State.Number && this.depth == 0 && numberComplete(this.number)) {
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

  /** Reads on from `p`, which is before `end`, and returns how far it came. */
  private step(p: usize, end: usize): usize {
    switch (this.state) {
      case State.String:
        return this.readString(p, end);
      case State.Key:
        return this.readKey(p, end);
      case State.Number:
        return this.readNumber(p, end);
      case State.Literal:
        return this.readLiteral(p);
      case State.Mark:
        return this.readMark(p, 0xbb, State.MarkEnd);
      case State.MarkEnd:
        return this.readMark(p, 0xbf, State.Outside);
      default:
        p = skipSpace(p, end);
        return p == end ? end : this.readToken(p, end);
    }
  }

  /** Reads what begins at `p`, where white space has been skipped. */
  private readToken(p: usize, end: usize): usize {
    const byte = load<u8>(p);
    switch (this.state) {
      case State.Outside:
        return this.beginTop(p, byte);
      case State.FirstItem:
        this.contentBegins(Ascii.OpenBracket, byte == Ascii.CloseBracket);
        return byte == Ascii.CloseBracket ? this.closeContainer(p) : this.beginItem(p, byte);
      case State.Item:
        return this.beginItem(p, byte);
      case State.FirstKey:
        this.contentBegins(Ascii.OpenBrace, byte == Ascii.CloseBrace);
        return byte == Ascii.CloseBrace ? this.closeContainer(p) : this.beginKey(p, end, byte);
      case State.NextKey:
        return this.beginKey(p, end, byte);
      case State.Colon:
        if (byte != Ascii.Colon) return this.failAt(p);
        this.state = State.Member;
        return p + 1;
      case State.Member:
        return this.beginValue(p, byte);
      default:
        return this.readSeparator(p, byte);
    }
  }

  private beginTop(p: usize, byte: u8): usize {
    const first = this.fresh;
    this.fresh = false;
    if (first && byte == 0xef) {
      this.state = State.Mark;
      return p + 1;
    }
    this.topBegins(byte);
    return this.beginValue(p, byte);
  }

  private readMark(p: usize, expected: u8, next: State): usize {
    if (load<u8>(p) != expected) return this.failAt(p);
    this.state = next;
    return p + 1;
  }

  private beginItem(p: usize, byte: u8): usize {
    this.itemBegins(byte);
    return this.beginValue(p, byte);
  }

  private beginValue(p: usize, byte: u8): usize {
    const type = typeOf(byte);
    switch (type) {
      case Ascii.OpenBrace:
        return this.openContainer(p, type, State.FirstKey);
      case Ascii.OpenBracket:
        return this.openContainer(p, type, State.FirstItem);
      case Ascii.Quote:
        this.state = State.String;
        this.strings.begin(this.valueBegins(type, p));
        return p + 1;
      case Ascii.Zero:
        this.state = State.Number;
        this.number = numberBegin(byte);
        break;
      case Ascii.LowerT:
        this.beginLiteral(Literal.True);
        break;
      case Ascii.LowerF:
        this.beginLiteral(Literal.False);
        break;
      case Ascii.LowerN:
        this.beginLiteral(Literal.Null);
        break;
      default:
        return this.failAt(p);
    }
    this.valueBegins(type, p);
    return p + 1;
  }

  private beginLiteral(rest: u32): void {
    this.state = State.Literal;
    this.literal = rest;
  }

  private openContainer(p: usize, type: u8, next: State): usize {
    if (this.depth == MAX_DEPTH) return this.failAt(p);
    this.valueBegins(type, p);
    unchecked((this.brackets[++this.depth] = type));
    this.containerOpens();
    this.state = next;
    return p + 1;
  }

  private closeContainer(p: usize): usize {
    this.depth--;
    this.containerCloses();
    this.endValue(p + 1);
    return p + 1;
  }

  private endValue(p: usize): void {
    this.state = this.depth == 0 ? State.Outside : State.AfterValue;
    this.valueEnds(p);
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
    const wanted = this.wantsKeys();
    const stop = findEither(start, end, Ascii.Quote, Ascii.Backslash);
    if (stop < end && load<u8>(stop) == Ascii.Quote) {
      this.state = State.Colon;
      if (wanted) this.memberBegins(start, (stop - start) as i32);
      else this.otherMemberBegins();
      return stop + 1;
    }
    this.state = State.Key;
    this.strings.begin(wanted ? StringUse.Key : StringUse.Nothing);
    return start;
  }

  private readKey(p: usize, end: usize): usize {
    const strings = this.strings;
    p = strings.read(p, end);
    if (!strings.closed) return p;
    this.state = State.Colon;
    if (strings.hasKey()) this.memberBegins(strings.key(), strings.keyLength);
    else this.otherMemberBegins();
    return p;
  }

  private readString(p: usize, end: usize): usize {
    const strings = this.strings;
    p = strings.read(p, end);
    if (strings.textBytes != 0) this.textGrows();
    if (strings.closed) this.endValue(p);
    return p;
  }

  private readNumber(p: usize, end: usize): usize {
    let number = this.number;
    while (p < end) {
      const next = numberNext(number, load<u8>(p));
      if (next == NumberState.Outside) {
        if (!numberComplete(number)) return this.failAt(p);
        this.endValue(p);
        return p;
      }
      number = next;
      p++;
    }
    this.number = number;
    return p;
  }

  private readLiteral(p: usize): usize {
    if (load<u8>(p) != (this.literal & 0xff)) return this.failAt(p);
    this.literal >>= 8;
    if (this.literal == 0) this.endValue(p + 1);
    return p + 1;
  }
}
