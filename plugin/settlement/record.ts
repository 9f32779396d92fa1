import { FilterConfig } from "../filter-config";
import { ByteWriter } from "../scan/json-write";
import { Bytes } from "./captured";
import { framingName, ResponseCapture } from "./response-capture";

/** What the stream knows of itself when it is over. */
export class Ending {
  id: string = "";
  reservation: string = "";
  requestId: string = "";
  timeMs: i64 = 0;
  durationMs: i64 = 0;
  modelSent: string = "";
  forwarded: bool = false;
  status: i32 = 0;
  outcome: string = "ok";
  details: string = "";
}

/** Writes one SettlementRecord of the contract. capture null: no response began. */
export function writeRecord(
  ending: Ending,
  attributes: Bytes,
  llm: Bytes,
  capture: ResponseCapture | null,
  config: FilterConfig,
  responseHeaders: Bytes | null,
  out: ByteWriter,
): void {
  out.reset();
  out.ascii('{"id":');
  out.jsonString(ending.id);
  out.ascii(',"reservation":');
  if (ending.reservation == "") out.ascii("null");
  else out.jsonString(ending.reservation);
  if (ending.requestId != "") {
    out.ascii(',"requestId":');
    out.jsonString(ending.requestId);
  }
  out.ascii(',"timeMs":');
  out.int(ending.timeMs);
  out.ascii(',"durationMs":');
  out.int(ending.durationMs);
  out.ascii(',"attributes":');
  out.raw(attributes.ptr, attributes.length);
  out.ascii(',"llm":');
  out.raw(llm.ptr, llm.length);
  if (ending.modelSent != "") {
    out.ascii(',"modelSent":');
    out.jsonString(ending.modelSent);
  }
  out.ascii(ending.forwarded ? ',"forwarded":true' : ',"forwarded":false');
  if (ending.details != "") {
    out.ascii(',"details":');
    out.jsonString(ending.details);
  }
  out.ascii(',"status":');
  out.int(ending.status);
  out.ascii(',"outcome":"');
  out.ascii(ending.outcome);
  out.byte(0x22);
  if (responseHeaders !== null) {
    out.ascii(',"responseHeaders":');
    out.raw(responseHeaders.ptr, responseHeaders.length);
  }
  if (capture === null) out.ascii(',"framing":"none","usage":[],"outputBytes":0');
  else writeCapture(capture, config, out);
  out.byte(0x7d);
}

function writeCapture(capture: ResponseCapture, config: FilterConfig, out: ByteWriter): void {
  out.ascii(',"framing":"');
  out.ascii(framingName(capture.framing));
  out.ascii('","usage":[');
  const usage = capture.usage;
  for (let i = 0; i < usage.values.length; i++) {
    if (i > 0) out.byte(0x2c);
    out.jsonValue(usage.values[i].ptr, usage.values[i].length);
  }
  out.ascii('],"usagePointers":[');
  for (let i = 0; i < usage.pointers.length; i++) {
    if (i > 0) out.byte(0x2c);
    out.jsonString(config.usagePointers[usage.pointers[i]]);
  }
  out.ascii('],"facts":{');
  let first = true;
  for (let i = 0; i < config.factPointers.length; i++) {
    const fact = capture.facts.values[i];
    if (fact === null) continue;
    if (!first) out.byte(0x2c);
    first = false;
    out.jsonString(config.factPointers[i]);
    out.byte(0x3a);
    out.jsonValue(fact.ptr, fact.length);
  }
  out.ascii('},"text":{');
  first = true;
  for (let i = 0; i < config.textPointers.length; i++) {
    if (capture.textBytes[i] == 0) continue;
    if (!first) out.byte(0x2c);
    first = false;
    out.jsonString(config.textPointers[i]);
    out.byte(0x3a);
    out.int(capture.textBytes[i]);
  }
  out.ascii('},"outputBytes":');
  out.int(capture.outputBytes);
  out.ascii(',"responseBytes":');
  out.int(capture.responseBytes);
  out.ascii(',"events":');
  out.int(capture.events);
  out.ascii(capture.done ? ',"done":true' : ',"done":false');
}
