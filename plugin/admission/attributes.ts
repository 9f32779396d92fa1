import {
  HeaderMap,
  handedLength,
  handedPtr,
  headerPairs,
  property,
  removeHeader,
  removeHeaderNamed,
} from "../abi/host";
import { release, sameBytes } from "../abi/memory";
import { PairReader } from "../abi/pairs";
import { startsWith, Text, utf8 } from "../abi/text";
import { FilterConfig, PropertyType, WantedProperty } from "../filter-config";
import { ByteWriter } from "../scan/json-write";
import { writeBytes } from "../settlement/captured";
import { writeMetadata } from "./dynamic-metadata";

const PATH = utf8(":path");
const METHOD = utf8(":method");
const AUTHORITY = utf8(":authority");
const ACCEPT_ENCODING = utf8("accept-encoding");
const CONTENT_LENGTH = utf8("content-length");
const CONTENT_TYPE = utf8("content-type");
const REQUEST_ID = utf8("x-request-id");
const OWN_PREFIX = utf8("x-tollgate-");
const METADATA = utf8("metadata");

const reader = new PairReader();
const other = new PairReader();
const joined = new ByteWriter();

/** The value of a header; length 0 where there is none. */
export class FieldValue {
  ptr: usize = 0;
  length: i32 = 0;

  take(pairs: PairReader): void {
    this.ptr = pairs.value;
    this.length = pairs.valueLength;
  }
}

/** The request headers, read once. Of several with one name the last counts. */
export class RequestHead {
  hasContentLength: bool = false;
  private hasAcceptEncoding: bool = false;
  readonly path: FieldValue = new FieldValue();
  readonly method: FieldValue = new FieldValue();
  readonly authority: FieldValue = new FieldValue();
  readonly contentType: FieldValue = new FieldValue();
  readonly requestId: FieldValue = new FieldValue();
  /** The pair bytes, kept until `free`. */
  private pairs: usize = 0;
  private pairsLength: i32 = 0;

  /** Reads the headers and removes x-tollgate-* ones, which no client may set. */
  read(): void {
    this.forget();
    if (!headerPairs(HeaderMap.Request)) return;
    this.pairs = handedPtr;
    this.pairsLength = handedLength;
    reader.open(this.pairs, this.pairsLength);
    while (reader.next()) {
      if (reader.is(PATH)) this.path.take(reader);
      else if (reader.is(METHOD)) this.method.take(reader);
      else if (reader.is(AUTHORITY)) this.authority.take(reader);
      else if (reader.is(CONTENT_TYPE)) this.contentType.take(reader);
      else if (reader.is(REQUEST_ID)) this.requestId.take(reader);
      else if (reader.is(CONTENT_LENGTH)) this.hasContentLength = true;
      else if (reader.is(ACCEPT_ENCODING)) this.hasAcceptEncoding = true;
      else if (isOwn()) removeHeaderNamed(HeaderMap.Request, reader.name, reader.nameLength);
    }
  }

  private forget(): void {
    this.hasContentLength = false;
    this.hasAcceptEncoding = false;
    this.path.length = 0;
    this.method.length = 0;
    this.authority.length = 0;
    this.contentType.length = 0;
    this.requestId.length = 0;
  }

  /** Writes the attributes that policies read as one JSON object. */
  writeAttributes(config: FilterConfig | null, out: ByteWriter): void {
    writeField(utf8('{"request.path":'), this.path, out);
    writeField(utf8(',"request.method":'), this.method, out);
    writeField(utf8(',"request.host":'), this.authority, out);
    out.text(utf8(',"request.headers":{'));
    if (config !== null) this.writeHeaders(config, out);
    out.byte(0x7d);
    if (config !== null) writeProperties(config, out);
    out.byte(0x7d);
  }

  /** Several headers of one name are joined by a comma, as Envoy's attributes do. */
  private writeHeaders(config: FilterConfig, out: ByteWriter): void {
    reader.open(this.pairs, this.pairsLength);
    let first = true;
    for (let index = 0; reader.next(); index++) {
      if (!config.allHeaders && !isListed(config)) continue;
      if (isOwn() || this.seenBefore(index)) continue;
      if (!first) out.byte(0x2c);
      first = false;
      out.jsonStringBytes(reader.name, reader.nameLength);
      out.byte(0x3a);
      this.writeJoined(out);
    }
  }

  private seenBefore(index: i32): bool {
    other.open(this.pairs, this.pairsLength);
    for (let i = 0; i < index && other.next(); i++) {
      if (isSameName()) return true;
    }
    return false;
  }

  private writeJoined(out: ByteWriter): void {
    other.open(this.pairs, this.pairsLength);
    joined.reset();
    while (other.next()) {
      if (!isSameName()) continue;
      joined.raw(other.value, other.valueLength);
      joined.byte(0x2c);
    }
    out.jsonStringBytes(joined.ptr, joined.length - 1);
  }

  /** The response is to come as it can be read. */
  removeAcceptEncoding(): void {
    if (this.hasAcceptEncoding) removeHeader(HeaderMap.Request, ACCEPT_ENCODING);
  }

  free(): void {
    release(this.pairs);
    this.pairs = 0;
    this.pairsLength = 0;
  }
}

function writeField(key: Text, value: FieldValue, out: ByteWriter): void {
  out.text(key);
  out.jsonStringBytes(value.ptr, value.length);
}

function isSameName(): bool {
  return sameBytes(other.name, other.nameLength, reader.name, reader.nameLength);
}

function isOwn(): bool {
  return startsWith(reader.name, reader.nameLength, OWN_PREFIX);
}

function isListed(config: FilterConfig): bool {
  const names = config.headers;
  for (let i = 0; i < names.length; i++) {
    if (reader.is(names[i].text)) return true;
  }
  return false;
}

function writeProperties(config: FilterConfig, out: ByteWriter): void {
  for (let i = 0; i < config.properties.length; i++) writeProperty(config.properties[i], out);
  if (config.metadataNamespaces.length == 0 || !property(METADATA)) return;
  const ptr = handedPtr;
  out.text(utf8(',"metadata":'));
  writeMetadata(ptr, handedLength, config.metadataNamespaces, out);
  release(ptr);
}

/** Envoy gives integers and times (nanoseconds) as 8 bytes little endian, booleans as 1. */
function writeProperty(wanted: WantedProperty, out: ByteWriter): void {
  if (!property(wanted.path.text)) return;
  const ptr = handedPtr;
  const length = handedLength;
  const type = wanted.type;
  const least = type == PropertyType.String ? 0 : type == PropertyType.Bool ? 1 : 8;
  if (length >= least) {
    out.byte(0x2c);
    writeBytes(wanted.name, out);
    out.byte(0x3a);
    if (type == PropertyType.String) out.jsonStringBytes(ptr, length);
    else if (type == PropertyType.Bool) {
      out.text(load<u8>(ptr) != 0 ? utf8("true") : utf8("false"));
    } else out.int(type == PropertyType.Timestamp ? load<i64>(ptr) / 1_000_000 : load<i64>(ptr));
  }
  release(ptr);
}
