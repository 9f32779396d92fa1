/**
 * A filter with the callbacks of the real one, and nothing in them: what being called costs. The
 * contexts are not even kept. Only for the bench.
 */

export function malloc(size: usize): usize {
  return __alloc(size);
}

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_vm_start(root: u32, configurationLength: i32): u32 {
  return 1;
}

export function proxy_on_context_create(context: u32, parent: u32): void {}

export function proxy_on_configure(root: u32, configurationLength: i32): u32 {
  return 1;
}

export function proxy_on_request_headers(context: u32, count: i32, endOfStream: u32): i32 {
  return 0;
}

export function proxy_on_request_body(context: u32, length: i32, endOfStream: u32): i32 {
  return 0;
}

export function proxy_on_request_trailers(context: u32, count: i32): i32 {
  return 0;
}

export function proxy_on_response_headers(context: u32, count: i32, endOfStream: u32): i32 {
  return 0;
}

export function proxy_on_response_body(context: u32, length: i32, endOfStream: u32): i32 {
  return 0;
}

export function proxy_on_response_trailers(context: u32, count: i32): i32 {
  return 0;
}

export function proxy_on_log(context: u32): void {}

export function proxy_on_delete(context: u32): void {}
