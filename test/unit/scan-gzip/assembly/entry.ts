import { GzipInflater, InflateSink } from "../../../../plugin/scan/gzip-inflater";
import * as host from "./host";

class HostSink extends InflateSink {
  onBytes(ptr: usize, length: i32): void {
    host.bytes(ptr, length);
  }
}

let inflater = new GzipInflater(new HostSink());

/** `len` bytes that the test may write to. */
export function allocate(len: i32): usize {
  return heap.alloc(len);
}

/** Makes a new inflater with the limit that the filter has. */
export function begin(): void {
  inflater = new GzipInflater(new HostSink());
  __collect();
}

export function beginLimited(limitBytes: i32): void {
  inflater = new GzipInflater(new HostSink(), limitBytes);
  __collect();
}

export function push(ptr: usize, length: i32): void {
  inflater.push(ptr, length);
}

export function failed(): bool {
  return inflater.failed;
}

export function finished(): bool {
  return inflater.finished;
}

export function outputBytes(): i64 {
  return inflater.outputBytes;
}
