/** What the scanners tell, passed on to the test. Each is an import `host.…` of the module. */
export declare function value(
  pointer: i32,
  type: i32,
  ptr: usize,
  len: i32,
  start: i32,
  end: i32,
): void;
export declare function oversize(pointer: i32, start: i32, end: i32): void;
export declare function text(pointer: i32, bytes: i32): void;
export declare function probe(pointer: i32, type: i32, empty: i32, start: i32): void;
export declare function document(valid: i32): void;
export declare function event(end: i32, hadData: i32): void;
export declare function trailingLf(): void;
export declare function done(): void;
export declare function frame(valid: i32): void;
