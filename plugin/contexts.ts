import { Context } from "./context";

const BUCKETS = 1024;

/**
 * The contexts that live, by the host's numbers. A host counts up, so that they spread over the
 * buckets by themselves. Nothing is allocated for one.
 */
export class ContextTable {
  count: i32 = 0;
  private buckets: StaticArray<Context | null> = new StaticArray<Context | null>(BUCKETS);

  find(id: u32): Context | null {
    let context = this.buckets[id % BUCKETS];
    while (context !== null && context.id != id) context = context.nextContext;
    return context;
  }

  add(context: Context): void {
    const bucket = context.id % BUCKETS;
    context.nextContext = this.buckets[bucket];
    this.buckets[bucket] = context;
    this.count++;
  }

  remove(context: Context): void {
    const bucket = context.id % BUCKETS;
    let before: Context | null = null;
    let at = this.buckets[bucket];
    while (at !== null && at !== context) {
      before = at;
      at = at.nextContext;
    }
    if (before === null) this.buckets[bucket] = context.nextContext;
    else before.nextContext = context.nextContext;
    context.nextContext = null;
    this.count--;
  }
}
