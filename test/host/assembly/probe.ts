/**
 * A filter that logs what every callback shows it, and does what the request header x-mode says.
 * It runs in test/host and, to record what is expected there, in a real Envoy.
 */
import "./abort";
import * as abi from "@gcoredev/proxy-wasm-sdk-as/assembly/imports";
import {
  body,
  header,
  httpCall,
  localReply,
  log,
  property,
  setBody,
  setHeader,
  textProperty,
} from "./host-calls";

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

export function proxy_abi_version_0_2_1(): void {}
export function malloc(size: usize): usize {
  return heap.alloc(size);
}

/** Of the last stream; one stream at a time is enough. */
let mode = "";
let chunks = 0;
let stream: u32 = 0;
let ticksUntilResume = 0;

export function proxy_on_context_create(context: u32, root: u32): void {
  log(`create ${context} root ${root}`);
}

export function proxy_on_vm_start(context: u32, size: u32): u32 {
  log(`vm_start ${context} ${size} vm=${body(6)} plugin=${body(7)}`);
  return 1;
}

export function proxy_on_configure(context: u32, size: u32): u32 {
  log(`configure ${context} ${size} vm=${body(6)} plugin=${body(7)}`);
  log(`node.id=${textProperty("node.id")} xds.node.id=${textProperty("xds.node.id")}`);
  abi.proxy_set_tick_period_milliseconds(300);
  return body(7).endsWith("REFUSE") ? 0 : 1;
}

export function proxy_on_tick(context: u32): void {
  if (ticksUntilResume == 0 || --ticksUntilResume > 0) return;
  log(`tick effective ${abi.proxy_set_effective_context(stream)}`);
  log(`tick continue ${abi.proxy_continue_stream(0)}`);
}

function isHolding(): bool {
  return mode.startsWith("hold") || mode == "resume-early" || mode == "stop-all";
}

export function proxy_on_request_headers(context: u32, count: u32, end: u32): u32 {
  const asked = header(0, "x-mode");
  mode = asked.substring(2);
  chunks = 0;
  stream = context;
  const path = header(0, ":path");
  log(`request_headers ${context} end=${end} path=${path} missing=${header(0, "nope")}`);
  if (mode == "trap") unreachable();
  if (mode == "properties") logProperties();
  if (mode == "reply") log(`reply ${localReply(429, "no no")}`);
  if (mode == "reply-empty") log(`reply ${localReply(429, "")}`);
  if (mode.startsWith("call-")) log(`call ${httpCall(mode.substring(5), "slow", 200)}`);
  if (mode == "continue-now") {
    log(`continue ${abi.proxy_continue_stream(0)} path=${header(0, ":path")}`);
    return PAUSE;
  }
  if (mode == "stop-all") ticksUntilResume = 2;
  return isHolding() ? PAUSE : CONTINUE;
}

function logProperties(): void {
  const paths = header(0, "x-properties").substring(2).split(",");
  for (let i = 0; i < paths.length; i++) log(`${paths[i]} = ${property(paths[i])}`);
}

export function proxy_on_request_body(context: u32, length: u32, end: u32): u32 {
  chunks++;
  const path = header(0, ":path");
  const attribute = textProperty("request.path");
  log(`request_body ${length} end=${end} body=${body(0)} path=${path} attribute=${attribute}`);
  if (mode == "hold-large") return PAUSE;
  if (mode == "resume-early" && chunks == 1) {
    log(`call ${httpCall("service", "admit", 2000)}`);
    return PAUSE;
  }
  if (!mode.startsWith("hold")) return CONTINUE;
  if (end == 0) return PAUSE;
  if (mode == "hold-set") {
    log(`set ${setBody(0, 0, 3, "REPLACED")} ${body(0)}`);
    log(`set middle ${setBody(0, 2, 1, "x")} append ${setBody(0, 99, 0, "END")} ${body(0)}`);
  }
  if (mode == "hold-call" || mode == "hold-call-reply") {
    log(`call ${httpCall("service", "admit", 2000)}`);
    return PAUSE;
  }
  if (mode == "hold-reply") {
    log(`reply ${localReply(429, "denied")}`);
    return PAUSE;
  }
  return CONTINUE;
}

export function proxy_on_request_trailers(context: u32, count: u32): u32 {
  log(`request_trailers ${count} body=${body(0)} x=${header(1, "x")}`);
  return CONTINUE;
}

export function proxy_on_http_call_response(
  context: u32,
  token: u32,
  headers: u32,
  length: u32,
  trailers: u32,
): void {
  const status = header(6, ":status");
  log(`call_response ${context} token ${token} ${headers} ${length} ${status} ${body(4)}`);
  const effective = abi.proxy_set_effective_context(stream);
  log(`effective ${effective} path=${header(0, ":path")} body=${body(0)}`);
  if (mode == "hold-call-reply") log(`reply ${localReply(429, "later")}`);
  if (mode != "hold-call" && mode != "resume-early") return;
  log(`header ${setHeader(0, "x-added", "yes")} set ${setBody(0, 0, 0, "NEW-")}`);
  const resumed = abi.proxy_continue_stream(0);
  log(`continue ${resumed} path=${header(0, ":path")} body=${body(0)} ${header(6, ":status")}`);
}

export function proxy_on_response_headers(context: u32, count: u32, end: u32): u32 {
  chunks = 0;
  const type = header(2, "content-type");
  const length = header(2, "content-length");
  const status = header(2, ":status");
  log(`response_headers end=${end} status=${status} type=${type} length=${length}`);
  const details = textProperty("response.code_details");
  const code = property("response.code");
  const attribute = textProperty("request.path");
  log(`at response: path=${header(0, ":path")} attribute=${attribute} ${details} ${code}`);
  if (mode == "response-reply") {
    log(`reply ${localReply(502, "instead")}`);
    return PAUSE;
  }
  return mode == "response-hold" ? PAUSE : CONTINUE;
}

export function proxy_on_response_body(context: u32, length: u32, end: u32): u32 {
  chunks++;
  log(`response_body ${length} end=${end} body=${body(1)} status=${header(2, ":status")}`);
  if (mode == "close" && chunks == 2) log(`close ${abi.proxy_close_stream(1)}`);
  if (mode == "body-reply" && chunks == 2) log(`reply ${localReply(502, "cut")}`);
  if (mode == "response-set") log(`set ${setBody(1, 0, length, "XY")}`);
  if (mode == "response-empty") log(`set ${setBody(1, 0, length, "")} ${body(1)}`);
  const holds = mode == "response-hold" || mode == "response-buffer";
  return holds && end == 0 ? PAUSE : CONTINUE;
}

export function proxy_on_response_trailers(context: u32, count: u32): u32 {
  log(`response_trailers ${count} body=${body(1)} x=${header(3, "x")}`);
  return CONTINUE;
}

export function proxy_on_log(context: u32): void {
  const details = textProperty("response.code_details");
  log(`log flags=${property("response.flags")} ${details} code=${property("response.code")}`);
  const attribute = textProperty("request.path");
  const status = header(2, ":status");
  log(`at log: path=${header(0, ":path")} status=${status} attribute=${attribute}`);
}

export function proxy_on_done(context: u32): u32 {
  log(`done flags=${property("response.flags")} status=${header(2, ":status")}`);
  return 1;
}

export function proxy_on_delete(context: u32): void {
  log(`delete ${context}`);
}
