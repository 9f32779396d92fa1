/** What was inflated, passed on to the test: an import `host.bytes` of the module. */
export declare function bytes(ptr: usize, length: i32): void;
