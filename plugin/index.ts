/**
 * The callbacks of Proxy-Wasm ABI 0.2.1. Only what is exported is called, and every callback
 * costs; nothing is decided here.
 */
import { Action } from "./abi/host";
import { Context } from "./context";
import { ContextTable } from "./contexts";
import { collectWhenDue } from "./garbage";
import { Root } from "./root";
import { Stream } from "./stream";

export { malloc } from "./abi/memory";

const contexts = new ContextTable();

function contextOf(id: u32): Context {
  const context = contexts.find(id);
  if (context === null) unreachable();
  return changetype<Context>(context);
}

function rootOf(context: u32): Root {
  return changetype<Root>(contextOf(context));
}

function streamOf(context: u32): Stream {
  return changetype<Stream>(contextOf(context));
}

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_vm_start(root: u32, configurationLength: i32): u32 {
  return 1;
}

export function proxy_on_context_create(context: u32, parent: u32): void {
  contexts.add(parent == 0 ? new Root(context) : rootOf(parent).streams.open(context));
}

export function proxy_on_configure(root: u32, configurationLength: i32): u32 {
  return rootOf(root).configure(configurationLength) ? 1 : 0;
}

export function proxy_on_tick(root: u32): void {
  if (contexts.find(root) !== null) rootOf(root).tick();
  // No callback is under way here, so nothing lives on the stack alone.
  collectWhenDue(contexts.count);
}

export function proxy_on_request_headers(context: u32, count: i32, endOfStream: u32): i32 {
  return streamOf(context).onRequestHeaders(endOfStream != 0);
}

export function proxy_on_request_body(context: u32, length: i32, endOfStream: u32): i32 {
  return streamOf(context).onRequestBody(length, endOfStream != 0);
}

export function proxy_on_request_trailers(context: u32, count: i32): i32 {
  return streamOf(context).onRequestTrailers();
}

export function proxy_on_response_headers(context: u32, count: i32, endOfStream: u32): i32 {
  streamOf(context).onResponseHeaders(endOfStream != 0);
  return Action.Continue;
}

export function proxy_on_response_body(context: u32, length: i32, endOfStream: u32): i32 {
  streamOf(context).onResponseBody(length, endOfStream != 0);
  return Action.Continue;
}

export function proxy_on_response_trailers(context: u32, count: i32): i32 {
  streamOf(context).onResponseTrailers();
  return Action.Continue;
}

export function proxy_on_http_call_response(
  context: u32,
  token: u32,
  headers: i32,
  length: i32,
  trailers: i32,
): void {
  // The root may be gone; no host tells a stream.
  const found = contexts.find(context);
  if (found === null || !(found instanceof Root)) return;
  if ((found as Root).callAnswered(token, headers, length)) contexts.remove(found);
}

export function proxy_on_log(context: u32): void {
  streamOf(context).onLog();
}

/** The last callback of a context: log comes before it, and of delete nothing is wanted. */
export function proxy_on_done(context: u32): u32 {
  const found = contextOf(context);
  if (found instanceof Root) {
    if (!(found as Root).close()) return 0;
  } else {
    const stream = changetype<Stream>(found);
    stream.root.streams.close(stream);
  }
  contexts.remove(found);
  return 1;
}
