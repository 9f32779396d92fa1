import { HeaderMap, handedLength, handedPtr, headerPairs } from "../abi/host";
import { release, sameBytes } from "../abi/memory";
import { PairReader } from "../abi/pairs";
import { isText, OwnText, utf8 } from "../abi/text";
import { wholeNumber } from "../abi/whole-number";
import { ByteWriter } from "../scan/json-write";
import { Bytes } from "./captured";
import { Encoding } from "./framing";

const STATUS = utf8(":status");
const CONTENT_TYPE = utf8("content-type");
const CONTENT_ENCODING = utf8("content-encoding");

const reader = new PairReader();
const earlier = new PairReader();
const json = new ByteWriter();

/** The response headers, read once. Of several with one name the first counts. */
export class ResponseHead {
  status: i32 = 0;
  encoding: Encoding = Encoding.None;
  /** Of content-type, until `free`. */
  typePtr: usize = 0;
  typeLength: i32 = 0;
  /** The pair bytes, kept until `free`. */
  private pairs: usize = 0;
  private pairsLength: i32 = 0;

  /** Reads the headers, and writes down those with these names as a JSON object; none: no bytes. */
  read(names: OwnText[], kept: Bytes): void {
    this.status = 0;
    this.encoding = Encoding.None;
    this.typeLength = 0;
    kept.length = 0;
    if (!headerPairs(HeaderMap.Response)) return;
    this.pairs = handedPtr;
    this.pairsLength = handedLength;
    json.reset();
    reader.open(this.pairs, this.pairsLength);
    for (let index = 0; reader.next(); index++) {
      this.readOne(index);
      if (isAmong(names) && this.isFirst(index)) writePair();
    }
    if (json.length == 0) return;
    json.byte(0x7d);
    kept.set(json.ptr, json.length);
  }

  private readOne(index: i32): void {
    if (reader.is(STATUS)) {
      this.status = <i32>wholeNumber(reader.value, reader.valueLength);
    } else if (reader.is(CONTENT_TYPE)) {
      if (!this.isFirst(index)) return;
      this.typePtr = reader.value;
      this.typeLength = reader.valueLength;
    } else if (reader.is(CONTENT_ENCODING)) {
      if (this.isFirst(index)) this.encoding = encodingOf(reader.value, reader.valueLength);
    }
  }

  /** Has none of the pairs before the current one its name? */
  private isFirst(index: i32): bool {
    earlier.open(this.pairs, this.pairsLength);
    for (let i = 0; i < index && earlier.next(); i++) {
      if (sameBytes(earlier.name, earlier.nameLength, reader.name, reader.nameLength)) return false;
    }
    return true;
  }

  free(): void {
    release(this.pairs);
    this.pairs = 0;
  }
}

function isAmong(names: OwnText[]): bool {
  for (let i = 0; i < names.length; i++) {
    if (reader.is(unchecked(names[i]).text)) return true;
  }
  return false;
}

function writePair(): void {
  json.byte(json.length == 0 ? 0x7b : 0x2c);
  json.jsonStringBytes(reader.name, reader.nameLength);
  json.byte(0x3a);
  json.jsonStringBytes(reader.value, reader.valueLength);
}

/** Content codings are case-insensitive (RFC 9110, section 8.4.1): it is put in lower case. */
function encodingOf(ptr: usize, length: i32): Encoding {
  for (let at = ptr; at < ptr + <usize>length; at++) {
    const byte = load<u8>(at);
    if (<u8>(byte - 0x41) < 26) store<u8>(at, byte | 0x20);
  }
  if (length == 0 || isText(ptr, length, utf8("identity"))) return Encoding.None;
  const isZip =
    isText(ptr, length, utf8("gzip")) ||
    isText(ptr, length, utf8("x-gzip")) ||
    isText(ptr, length, utf8("deflate"));
  return isZip ? Encoding.Zip : Encoding.Other;
}
