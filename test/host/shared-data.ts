import { WasmResult } from "./abi.ts";

/** Envoy's process-wide shared data with compare-and-swap. Give one to several hosts: workers. */
export class SharedData {
  private readonly values = new Map<string, { value: Buffer; cas: number }>();
  private nextCas = 1;

  get(key: string): { value: Buffer; cas: number } | undefined {
    return this.values.get(key);
  }

  /** cas 0: whatever is there; for a key that is not there, cas is not looked at (as in Envoy). */
  set(key: string, value: Buffer, cas: number): number {
    const before = this.values.get(key);
    if (before !== undefined && cas !== 0 && cas !== before.cas) return WasmResult.CasMismatch;
    this.values.set(key, { value, cas: this.nextCas++ });
    return WasmResult.Ok;
  }
}
