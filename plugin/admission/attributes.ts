import {
  HeaderMap,
  handedLength,
  handedPtr,
  headerPairs,
  property,
  removeHeader,
} from "../abi/host";
import { release, sameBytes, text, Utf8 } from "../abi/memory";
import { PairReader } from "../abi/pairs";
import { FilterConfig, WantedProperty } from "../filter-config";
import { ByteWriter } from "../scan/json-write";
import { writeMetadata } from "./dynamic-metadata";

const PATH = new Utf8(":path");
const METHOD = new Utf8(":method");
const AUTHORITY = new Utf8(":authority");
const CONTENT_TYPE = new Utf8("content-type");
const CONTENT_LENGTH = new Utf8("content-length");
const REQUEST_ID = new Utf8("x-request-id");
const OWN_PREFIX = new Utf8("x-tollgate-");
const METADATA = new Utf8("metadata");

/** What the filter itself needs of the request headers, read in one pass over them. */
export class RequestHead {
  path: string = "";
  method: string = "";
  authority: string = "";
  contentType: string = "";
  requestId: string = "";
  hasContentLength: bool = false;
  /** The pair bytes, kept until `free`. */
  private pairs: usize = 0;
  private pairsLength: i32 = 0;

  /** Reads the headers and removes x-tollgate-* ones, which no client may set. */
  read(): void {
    if (!headerPairs(HeaderMap.Request)) return;
    this.pairs = handedPtr;
    this.pairsLength = handedLength;
    const reader = new PairReader();
    reader.open(this.pairs, this.pairsLength);
    while (reader.next()) {
      if (reader.is(PATH)) this.path = text(reader.value, reader.valueLength);
      else if (reader.is(METHOD)) this.method = text(reader.value, reader.valueLength);
      else if (reader.is(AUTHORITY)) this.authority = text(reader.value, reader.valueLength);
      else if (reader.is(CONTENT_TYPE)) this.contentType = text(reader.value, reader.valueLength);
      else if (reader.is(REQUEST_ID)) this.requestId = text(reader.value, reader.valueLength);
      else if (reader.is(CONTENT_LENGTH)) this.hasContentLength = true;
      else if (isOwn(reader)) removeHeader(HeaderMap.Request, reader.name, reader.nameLength);
    }
  }

  /** Writes the attributes that policies read as one JSON object. */
  writeAttributes(config: FilterConfig, out: ByteWriter): void {
    out.ascii('{"request.path":');
    out.jsonString(this.path);
    out.ascii(',"request.method":');
    out.jsonString(this.method);
    out.ascii(',"request.host":');
    out.jsonString(this.authority);
    this.writeHeaders(config, out);
    for (let i = 0; i < config.properties.length; i++) writeProperty(config.properties[i], out);
    if (config.metadataNamespaces.length > 0 && property(METADATA)) {
      const ptr = handedPtr;
      out.ascii(',"metadata":');
      writeMetadata(ptr, handedLength, config.metadataNamespaces, out);
      release(ptr);
    }
    out.byte(0x7d);
  }

  /** Several headers of one name are joined by a comma, as Envoy's attributes do. */
  private writeHeaders(config: FilterConfig, out: ByteWriter): void {
    out.ascii(',"request.headers":{');
    const reader = new PairReader();
    reader.open(this.pairs, this.pairsLength);
    let first = true;
    for (let index = 0; reader.next(); index++) {
      if (!config.allHeaders && !isListed(reader, config.headers)) continue;
      if (isOwn(reader) || this.seenBefore(reader, index)) continue;
      if (!first) out.byte(0x2c);
      first = false;
      out.jsonStringBytes(reader.name, reader.nameLength);
      out.byte(0x3a);
      this.writeJoined(reader, index, out);
    }
    out.byte(0x7d);
  }

  private seenBefore(current: PairReader, index: i32): bool {
    const other = new PairReader();
    other.open(this.pairs, this.pairsLength);
    for (let i = 0; i < index && other.next(); i++) {
      if (sameBytes(other.name, other.nameLength, current.name, current.nameLength)) return true;
    }
    return false;
  }

  private writeJoined(current: PairReader, index: i32, out: ByteWriter): void {
    const other = new PairReader();
    other.open(this.pairs, this.pairsLength);
    let joined = "";
    let count = 0;
    while (other.next()) {
      if (!sameBytes(other.name, other.nameLength, current.name, current.nameLength)) continue;
      if (count > 0) joined += ",";
      joined += text(other.value, other.valueLength);
      count++;
    }
    if (count == 1) out.jsonStringBytes(current.value, current.valueLength);
    else out.jsonString(joined);
  }

  free(): void {
    release(this.pairs);
    this.pairs = 0;
    this.pairsLength = 0;
  }
}

function isOwn(reader: PairReader): bool {
  return (
    reader.nameLength >= OWN_PREFIX.length &&
    memory.compare(reader.name, OWN_PREFIX.ptr, OWN_PREFIX.length) == 0
  );
}

function isListed(reader: PairReader, names: Utf8[]): bool {
  for (let i = 0; i < names.length; i++) {
    if (reader.is(names[i])) return true;
  }
  return false;
}

/** Envoy gives integers and times (nanoseconds) as 8 bytes little endian, booleans as 1. */
function writeProperty(wanted: WantedProperty, out: ByteWriter): void {
  if (!property(wanted.path)) return;
  const ptr = handedPtr;
  const length = handedLength;
  const known = wanted.type == "string" || (wanted.type == "bool" ? length > 0 : length >= 8);
  if (known) {
    out.byte(0x2c);
    out.jsonString(wanted.name);
    out.byte(0x3a);
    if (wanted.type == "string") out.jsonStringBytes(ptr, length);
    else if (wanted.type == "bool") out.ascii(load<u8>(ptr) != 0 ? "true" : "false");
    else if (wanted.type == "timestamp") out.int(load<i64>(ptr) / 1_000_000);
    else out.int(load<i64>(ptr));
  }
  release(ptr);
}
