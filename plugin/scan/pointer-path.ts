import { PointerNode } from "./pointer-node";
import { MAX_SEGMENTS } from "./pointer-set";

/** A pointer's containers, the top-level array around a document, and slot 0, which is unused. */
const FRAMES: i32 = MAX_SEGMENTS + 2;

/** Follows a document through the tree of a PointerSet. */
export class PointerPath {
  /** Node of the value that comes next or is being read; null where no pointer matches. */
  node: PointerNode | null = null;
  private frames: StaticArray<PointerNode | null> = new StaticArray<PointerNode | null>(FRAMES);
  private indexes: StaticArray<i32> = new StaticArray<i32>(FRAMES);

  /** The value is a container, now open as number `depth`. True where it has to be followed. */
  enter(depth: i32): bool {
    const node = this.node;
    if (node == null || !node.hasChildren) return false;
    unchecked((this.frames[depth] = node));
    unchecked((this.indexes[depth] = 0));
    return true;
  }

  /** The next value is a member of container `depth`, with the key of `len` bytes at `ptr`. */
  toMember(depth: i32, ptr: usize, len: i32): void {
    this.node = unchecked(this.frames[depth])!.key(ptr, len);
  }

  /** The next value is the next item of container `depth`. */
  toItem(depth: i32): void {
    const index = unchecked(this.indexes[depth]);
    unchecked((this.indexes[depth] = index + 1));
    this.node = unchecked(this.frames[depth])!.item(index);
  }
}
