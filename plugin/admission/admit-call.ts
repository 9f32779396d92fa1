import { utf8 } from "../abi/text";
import { ByteWriter } from "../scan/json-write";
import { Bytes, writeBytes } from "../settlement/captured";
import { ApiMatch } from "./api-path";
import { RequestFacts } from "./request-facts";
import { RequestScan } from "./request-scan";

const NULL = utf8("null");

const llm = new ByteWriter();

/**
 * Writes down the contract's LlmRequest. scan null: the request has no body; lengthIsFree: a body
 * of another length can be sent.
 */
export function setLlm(
  facts: RequestFacts,
  match: ApiMatch | null,
  scan: RequestScan | null,
  lengthIsFree: bool,
): void {
  const out = llm;
  out.reset();
  out.text(utf8('{"api":'));
  let model: Bytes | null = null;
  if (match !== null) model = match.model;
  if (match === null) out.text(NULL);
  else writeBytes(match.route.api, out);
  out.text(utf8(',"model":'));
  if (model !== null) out.jsonStringBytes(model.ptr, model.length);
  else if (scan !== null && scan.hasModel) out.jsonValue(scan.model.ptr, scan.model.length);
  else out.text(NULL);
  const streamed = (scan !== null && scan.stream) || (match !== null && match.route.stream);
  out.text(streamed ? utf8(',"stream":true,"choices":') : utf8(',"stream":false,"choices":'));
  out.int(scan === null ? 1 : scan.choices);
  if (scan !== null && scan.hasBody) {
    out.text(utf8(',"body":'));
    scan.writeBody(out);
  }
  // Nothing can be changed in it, so that nothing may be promised (Stream.rewrite).
  if (scan !== null && !(lengthIsFree && scan.isObject)) out.text(utf8(',"rewritable":false'));
  facts.inputBytes = scan === null ? 0 : scan.scannedBytes;
  facts.maxOutputTokens = scan === null ? -1 : scan.maxOutputTokens;
  out.text(utf8(',"maxOutputTokens":'));
  if (facts.maxOutputTokens < 0) out.text(NULL);
  // That it is told is in the key, how many is not.
  const keyLength = out.length;
  if (facts.maxOutputTokens >= 0) out.int(facts.maxOutputTokens);
  out.text(utf8(',"inputBytes":'));
  out.int(facts.inputBytes);
  out.byte(0x7d);
  facts.setLlm(out, keyLength);
}

/**
 * Writes an AdmitRequest of the contract. id: a JSON string that is not closed, to which `number`
 * is added; requestId: x-request-id, null for a renewal; renew: the id of a lease, as JSON.
 */
export function writeAdmit(
  nonce: Bytes,
  number: u64,
  facts: RequestFacts,
  requestId: Bytes | null,
  renew: Bytes | null,
  out: ByteWriter,
): void {
  out.text(utf8('{"id":'));
  writeId(nonce, number, out);
  if (requestId !== null && requestId.length > 0) {
    out.text(utf8(',"requestId":'));
    out.jsonStringBytes(requestId.ptr, requestId.length);
  }
  facts.write(out);
  if (renew !== null) {
    out.text(utf8(',"renew":'));
    writeBytes(renew, out);
  }
  out.byte(0x7d);
}

/** Writes a JSON string that no other exchange ever has, whatever clients send. */
export function writeId(nonce: Bytes, number: u64, out: ByteWriter): void {
  out.raw(nonce.ptr, nonce.length);
  out.int(number);
  out.byte(0x22);
}
