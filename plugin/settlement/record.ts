import { Text, utf8 } from "../abi/text";
import { RequestFacts } from "../admission/request-facts";
import { FilterConfig } from "../filter-config";
import { ByteWriter } from "../scan/json-write";
import { Bytes, writeBytes } from "./captured";
import { framingName } from "./framing";
import { ResponseCapture } from "./response-capture";

/** What the stream knows of itself when it is over. Of all streams: filled in, then written. */
export class Ending {
  id: ByteWriter = new ByteWriter();
  /** JSON: a string; null: nothing was held. */
  reservation: Bytes | null = null;
  /** The lease that it was admitted under, as JSON. */
  lease: Bytes | null = null;
  requestId: Bytes = new Bytes(0, 0);
  timeMs: i64 = 0;
  durationMs: i64 = 0;
  modelSent: string = "";
  forwarded: bool = false;
  status: i32 = 0;
  outcome: Text = 0;
  /** UTF-8. */
  detailsPtr: usize = 0;
  detailsLength: i32 = 0;
  facts: RequestFacts = new RequestFacts();
  /** JSON: an object; no bytes: there are none. */
  responseHeaders: Bytes = new Bytes(0, 0);
}

const TRUE = utf8("true");
const FALSE = utf8("false");

/** Writes one SettlementRecord of the contract. capture null: no response began. */
export function writeRecord(
  ending: Ending,
  capture: ResponseCapture | null,
  config: FilterConfig | null,
  out: ByteWriter,
): void {
  out.reset();
  out.text(utf8('{"id":'));
  out.raw(ending.id.ptr, ending.id.length);
  const reservation = ending.reservation;
  out.text(utf8(',"reservation":'));
  if (reservation === null) out.text(utf8("null"));
  else writeBytes(reservation, out);
  const lease = ending.lease;
  if (lease !== null) {
    out.text(utf8(',"lease":'));
    writeBytes(lease, out);
  }
  if (ending.requestId.length > 0) {
    out.text(utf8(',"requestId":'));
    out.jsonStringBytes(ending.requestId.ptr, ending.requestId.length);
  }
  out.text(utf8(',"timeMs":'));
  out.int(ending.timeMs);
  out.text(utf8(',"durationMs":'));
  out.int(ending.durationMs);
  ending.facts.write(out);
  if (ending.modelSent != "") {
    out.text(utf8(',"modelSent":'));
    out.jsonString(ending.modelSent);
  }
  out.text(utf8(',"forwarded":'));
  out.text(ending.forwarded ? TRUE : FALSE);
  if (ending.detailsLength > 0) {
    out.text(utf8(',"details":'));
    out.jsonStringBytes(ending.detailsPtr, ending.detailsLength);
  }
  out.text(utf8(',"status":'));
  out.int(ending.status);
  out.text(utf8(',"outcome":"'));
  out.text(ending.outcome);
  const headers = ending.responseHeaders;
  if (headers.length > 0) {
    out.text(utf8('","responseHeaders":'));
    writeBytes(headers, out);
  } else out.byte(0x22);
  if (capture !== null && config !== null) writeCapture(capture, config, out);
  else out.text(utf8(',"framing":"none","usage":[],"outputBytes":0'));
  out.byte(0x7d);
}

function writeCapture(capture: ResponseCapture, config: FilterConfig, out: ByteWriter): void {
  out.text(utf8(',"framing":"'));
  out.text(framingName(capture.framing));
  out.text(utf8('","usage":['));
  const usage = capture.usage;
  for (let i = 0; i < usage.values.length; i++) {
    if (i > 0) out.byte(0x2c);
    out.jsonValue(usage.values[i].ptr, usage.values[i].length);
  }
  out.text(utf8('],"usagePointers":['));
  for (let i = 0; i < usage.pointers.length; i++) {
    if (i > 0) out.byte(0x2c);
    writeBytes(config.usagePointers[usage.pointers[i]], out);
  }
  out.text(utf8('],"facts":{'));
  let first = true;
  for (let i = 0; i < config.factPointers.length; i++) {
    const fact = unchecked(capture.facts.values[i]);
    if (fact === null || fact.length == 0) continue;
    first = writeKey(config.factPointers[i], first, out);
    out.jsonValue(fact.ptr, fact.length);
  }
  out.text(utf8('},"text":{'));
  first = true;
  const text = capture.text;
  for (let i = 0; i < text.pointers.length; i++) {
    first = writeKey(config.textPointers[text.pointers[i]], first, out);
    out.int(text.bytes[i]);
  }
  out.text(utf8('},"outputBytes":'));
  out.int(capture.outputBytes);
  out.text(utf8(',"responseBytes":'));
  out.int(capture.responseBytes);
  out.text(utf8(',"events":'));
  out.int(capture.events);
  out.text(utf8(',"done":'));
  out.text(capture.done ? TRUE : FALSE);
  if (capture.unfinished) out.text(utf8(',"unfinished":true'));
}

/** Returns false: what follows is not the first. */
function writeKey(key: Bytes, first: bool, out: ByteWriter): bool {
  if (!first) out.byte(0x2c);
  writeBytes(key, out);
  out.byte(0x3a);
  return false;
}
