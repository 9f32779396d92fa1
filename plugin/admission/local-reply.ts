import { isFieldText, sendLocalResponse } from "../abi/host";
import { Utf8 } from "../abi/memory";
import { PairWriter } from "../abi/pairs";
import { JsonNode } from "../scan/json-tree";
import { ByteWriter } from "../scan/json-write";

const scratch = new ByteWriter();

/** response.code_details of every answer that the filter gives itself. */
export const DENIED_DETAILS = new Utf8("tollgate_denied");

/** Answers with a status, the headers of a JSON object, and a body. */
export function reply(status: i32, headers: JsonNode | null, body: string): void {
  const pairs = new PairWriter();
  let hasType = false;
  for (let i = 0; headers !== null && i < headers.keys.length; i++) {
    if (headers.keys[i] == "content-type") hasType = true;
    const value = headers.items[i].text;
    if (isFieldText(headers.keys[i]) && isFieldText(value)) pairs.add(headers.keys[i], value);
  }
  if (!hasType) pairs.add("content-type", "application/json");
  send(status, pairs, body);
}

/** Answers with an error in the API's own shape: a template of the filter config, filled in. */
export function replyError(
  status: i32,
  template: string,
  type: string,
  code: string,
  message: string,
): void {
  let body = fill(template, "$status", status.toString());
  body = fill(body, "$message", escaped(message));
  body = fill(body, "$type", type);
  body = fill(body, "$code", code);
  const pairs = new PairWriter();
  pairs.add("content-type", "application/json");
  if (status == 503) pairs.add("retry-after", "1");
  send(status, pairs, body);
}

function send(status: i32, pairs: PairWriter, body: string): void {
  pairs.encode();
  const bytes = String.UTF8.encode(body);
  sendLocalResponse(
    status,
    DENIED_DETAILS,
    changetype<usize>(bytes),
    bytes.byteLength,
    pairs.ptr,
    pairs.length,
  );
}

/** The library's replaceAll writes beyond its buffer where a replacement is much longer. */
function fill(template: string, placeholder: string, value: string): string {
  return template.split(placeholder).join(value);
}

function escaped(message: string): string {
  scratch.reset();
  scratch.jsonString(message);
  return String.UTF8.decodeUnsafe(scratch.ptr + 1, scratch.length - 2);
}
