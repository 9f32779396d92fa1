import { isFieldText, sendLocalResponse } from "../abi/host";
import { PairWriter } from "../abi/pairs";
import { equals, startsWith, Text, utf8 } from "../abi/text";
import { FilterConfig } from "../filter-config";
import { findEither } from "../scan/byte-search";
import { JsonNode } from "../scan/json-tree";
import { ByteWriter } from "../scan/json-write";

/** response.code_details of every answer that the filter gives itself. */
const DENIED_DETAILS = utf8("tollgate_denied");
const CONTENT_TYPE = utf8("content-type");
const PLAIN_ERROR = utf8(
  '{"error":{"message":"$message","type":"$type","param":null,"code":"$code"}}',
);
const DOLLAR: u8 = 0x24;

const UNAVAILABLE = utf8(
  "The budget service does not answer, and the policies in force deny requests then.",
);

const pairs = new PairWriter();
const field = new ByteWriter();
const template = new ByteWriter();
const body = new ByteWriter();
/** Of an error: ASCII without anything to escape. */
const message = new ByteWriter();

/** Answers with a status, the headers of a JSON object, and a body. */
export function reply(status: i32, headers: JsonNode | null, text: string): void {
  pairs.reset();
  let hasType = false;
  for (let i = 0; headers !== null && i < headers.keys.length; i++) {
    const name = headers.keys[i];
    if (equals(name, CONTENT_TYPE)) hasType = true;
    field.reset();
    field.utf8(name);
    const nameLength = field.length;
    field.utf8(headers.items[i].text);
    if (!isFieldText(field.ptr, field.length)) continue;
    pairs.raw(field.ptr, nameLength);
    pairs.raw(field.ptr + <usize>nameLength, field.length - nameLength);
  }
  if (!hasType) addType();
  body.reset();
  body.utf8(text);
  send(status);
}

/** The service cannot be asked, and what cannot be asked is denied. */
export function replyUnavailable(config: FilterConfig | null, shape: Text): void {
  message.reset();
  message.text(UNAVAILABLE);
  replyError(config, shape, 503, utf8("budget_service_unavailable"));
}

/** The request has more bytes than it may have. */
export function replyTooLarge(config: FilterConfig | null, shape: Text, mostBytes: i32): void {
  message.reset();
  message.text(utf8("The request body is larger than the "));
  message.int(mostBytes);
  message.text(utf8(" bytes that this gateway takes."));
  replyError(config, shape, 413, utf8("request_too_large"));
}

/** Answers with `message` in the shape of an API: a template of the filter config, filled in. */
function replyError(config: FilterConfig | null, shape: Text, status: i32, code: Text): void {
  let error: JsonNode | null = null;
  let type: JsonNode | null = null;
  if (config !== null) {
    error = config.errorBody(shape);
    type = config.errorType(shape, status);
  }
  template.reset();
  if (error !== null) template.utf8(error.text);
  else template.text(PLAIN_ERROR);
  body.reset();
  let p = template.ptr;
  const end = p + <usize>template.length;
  while (p < end) {
    const plain = findEither(p, end, DOLLAR, DOLLAR);
    body.raw(p, <i32>(plain - p));
    p = plain;
    const left = <i32>(end - p);
    if (startsWith(p, left, utf8("$status"))) {
      body.int(status);
      p += 7;
    } else if (startsWith(p, left, utf8("$message"))) {
      body.raw(message.ptr, message.length);
      p += 8;
    } else if (startsWith(p, left, utf8("$type"))) {
      if (type !== null) body.utf8(type.text);
      else body.text(utf8("server_error"));
      p += 5;
    } else if (startsWith(p, left, utf8("$code"))) {
      body.text(code);
      p += 5;
    } else if (p < end) {
      body.byte(load<u8>(p++));
    }
  }
  pairs.reset();
  addType();
  if (status == 503) pairs.pair(utf8("retry-after"), utf8("1"));
  send(status);
}

function addType(): void {
  pairs.pair(CONTENT_TYPE, utf8("application/json"));
}

function send(status: i32): void {
  pairs.encode();
  sendLocalResponse(status, DENIED_DETAILS, body.ptr, body.length, pairs.ptr, pairs.length);
}
