import { PointerNode } from "./pointer-node";
import { MAX_SEGMENTS } from "./pointer-set";

/** A pointer's containers, the top-level array around a document, and slot 0, which is unused. */
const FRAMES: i32 = MAX_SEGMENTS + 2;

/** Follows a document through the tree of a PointerSet. Depths count the open containers. */
export class PointerPath {
  /** Node of the value that comes next or is being read; null where no pointer matches. */
  node: PointerNode | null = null;
  /** The innermost container that has a node; further in, nothing can match. */
  private matched: i32 = 0;
  private frames: StaticArray<PointerNode | null> = new StaticArray<PointerNode | null>(FRAMES);
  private indexes: StaticArray<i32> = new StaticArray<i32>(FRAMES);

  /** The next value is at `node`, whatever is around it. */
  restart(node: PointerNode | null): void {
    this.matched = 0;
    this.node = node;
  }

  /** The value is a container, now open as number `depth`. */
  enter(depth: i32): void {
    const node = this.node;
    if (node == null || !node.hasChildren) return;
    this.matched = depth;
    unchecked((this.frames[depth] = node));
    unchecked((this.indexes[depth] = 0));
  }

  /** The container that was number `depth` is closed. */
  leave(depth: i32): void {
    if (this.matched == depth) this.matched = depth - 1;
  }

  /** True where a pointer may match in container `depth`. */
  follows(depth: i32): bool {
    return this.matched == depth && depth != 0;
  }

  /** The next value is a member of container `depth`, with the key of `len` bytes at `ptr`. */
  toMember(depth: i32, ptr: usize, len: i32): void {
    this.node = this.follows(depth) ? unchecked(this.frames[depth])!.key(ptr, len) : null;
  }

  /** The next value is the next item of container `depth`. */
  toItem(depth: i32): void {
    if (!this.follows(depth)) {
      this.node = null;
      return;
    }
    const index = unchecked(this.indexes[depth]);
    unchecked((this.indexes[depth] = index + 1));
    this.node = unchecked(this.frames[depth])!.item(index);
  }

  /** The next value cannot match. */
  toNothing(): void {
    this.node = null;
  }
}
