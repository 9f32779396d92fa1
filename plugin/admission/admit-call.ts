import { ByteWriter } from "../scan/json-write";
import { Bytes } from "../settlement/captured";
import { ApiMatch } from "./api-path";
import { RequestScan } from "./request-scan";

/** Writes the contract's LlmRequest. scan null: the request has no body. */
export function writeLlm(match: ApiMatch | null, scan: RequestScan | null, out: ByteWriter): void {
  out.ascii('{"api":');
  if (match === null || match.route.api == "") out.ascii("null");
  else out.jsonString(match.route.api);
  out.ascii(',"model":');
  if (match !== null && match.model != "") out.jsonString(match.model);
  else if (scan !== null && scan.hasModel) out.jsonString(scan.model);
  else out.ascii("null");
  const streamed = (scan !== null && scan.stream) || (match !== null && match.route.stream);
  out.ascii(streamed ? ',"stream":true,"maxOutputTokens":' : ',"stream":false,"maxOutputTokens":');
  if (scan !== null && scan.maxOutputTokens >= 0) out.int(scan.maxOutputTokens);
  else out.ascii("null");
  out.ascii(',"choices":');
  out.int(scan === null ? 1 : scan.choices);
  out.ascii(',"inputBytes":');
  out.int(scan === null ? 0 : scan.scannedBytes);
  if (scan !== null && scan.hasBody) {
    out.ascii(',"body":');
    scan.writeBody(out);
  }
  out.byte(0x7d);
}

/** Writes the body of POST /v1/admit. */
export function writeAdmit(id: string, attributes: Bytes, llm: Bytes, out: ByteWriter): void {
  out.reset();
  out.ascii('{"id":');
  out.jsonString(id);
  out.ascii(',"attributes":');
  out.raw(attributes.ptr, attributes.length);
  out.ascii(',"llm":');
  out.raw(llm.ptr, llm.length);
  out.byte(0x7d);
}
