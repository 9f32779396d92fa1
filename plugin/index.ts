/**
 * The callbacks of Proxy-Wasm ABI 0.2.1. Only what is exported is called, and every callback
 * costs; nothing is decided here.
 */
import "./abi/abort";
import { Action } from "./abi/host";
import { Root } from "./root";
import { Stream } from "./stream";

export { malloc } from "./abi/memory";

const roots = new Map<u32, Root>();
const streams = new Map<u32, Stream>();

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_vm_start(root: u32, configurationLength: i32): u32 {
  return 1;
}

export function proxy_on_context_create(context: u32, parent: u32): void {
  if (parent == 0) roots.set(context, new Root(context));
  else streams.set(context, new Stream(context, roots.get(parent)));
}

export function proxy_on_configure(root: u32, configurationLength: i32): u32 {
  return roots.has(root) && roots.get(root).configure(configurationLength) ? 1 : 0;
}

export function proxy_on_tick(root: u32): void {
  if (roots.has(root)) roots.get(root).tick();
  // No callback is under way here, so nothing lives on the stack alone.
  __collect();
}

export function proxy_on_request_headers(context: u32, count: i32, endOfStream: u32): i32 {
  return streams.get(context).onRequestHeaders(endOfStream != 0);
}

export function proxy_on_request_body(context: u32, length: i32, endOfStream: u32): i32 {
  return streams.get(context).onRequestBody(length, endOfStream != 0);
}

export function proxy_on_request_trailers(context: u32, count: i32): i32 {
  return streams.get(context).onRequestTrailers();
}

export function proxy_on_response_headers(context: u32, count: i32, endOfStream: u32): i32 {
  streams.get(context).onResponseHeaders(endOfStream != 0);
  return Action.Continue;
}

export function proxy_on_response_body(context: u32, length: i32, endOfStream: u32): i32 {
  streams.get(context).onResponseBody(length, endOfStream != 0);
  return Action.Continue;
}

export function proxy_on_response_trailers(context: u32, count: i32): i32 {
  streams.get(context).onResponseTrailers();
  return Action.Continue;
}

export function proxy_on_http_call_response(
  context: u32,
  token: u32,
  headers: i32,
  length: i32,
  trailers: i32,
): void {
  if (roots.has(context)) roots.get(context).callAnswered(token, headers, length);
}

export function proxy_on_log(context: u32): void {
  if (streams.has(context)) streams.get(context).onLog();
}

export function proxy_on_delete(context: u32): void {
  if (!streams.delete(context)) roots.delete(context);
}
