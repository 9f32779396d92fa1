import { PointerNode } from "./pointer-node";

/** What the scanner does with the value that a pointer points at. */
export const enum PointerKind {
  /** The raw JSON of the value. */
  Value = 0,
  /** How many bytes of text the string holds. */
  Text = 1,
  /** The string is a base64-encoded JSON document of its own. */
  Base64 = 2,
  /** Only what type it has, and whether it is empty. */
  Probe = 3,
}

/** Segments that a pointer may have; also how deep the scanner follows pointers. */
export const MAX_SEGMENTS: i32 = 16;
const MAX_SEGMENT_BYTES: i32 = 256;
const MAX_NODES: i32 = 4096;
const MAX_INDEX_DIGITS: i32 = 9;
const NO_ID: i32 = -1;

/** The array index that a segment names (RFC 6901, section 4), -1 where it names none. */
function indexOf(segment: string): i32 {
  const length = segment.length;
  if (length == 0 || length > MAX_INDEX_DIGITS) return -1;
  if (length > 1 && segment.charCodeAt(0) == 0x30) return -1;
  let index = 0;
  for (let i = 0; i < length; i++) {
    const digit = segment.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    index = index * 10 + digit;
  }
  return index;
}

/**
 * The JSON pointers (RFC 6901) that a scanner looks for; a segment `*` stands for any array
 * index. Add all of them before a scanner is made.
 *
 * The pointers make a tree in which a path through a document leads to one node only: where `0`
 * and `*` stand side by side, the node of `0` also holds all that is under `*`.
 */
export class PointerSet {
  readonly root: PointerNode = new PointerNode();
  /** Bytes of the longest key. */
  longestKey: i32 = 0;
  private count: i32 = 0;
  private nodes: i32 = 1;

  /**
   * Adds a pointer and returns its id (0, 1, 2, … in the order of adding), or -1 for what is not
   * a pointer, has over 16 segments or a segment over 256 bytes, or for which the set is too full.
   */
  add(pointer: string, kind: PointerKind): i32 {
    if (pointer.length > 0 && pointer.charCodeAt(0) != 0x2f) return -1;
    const segments = pointer.split("/");
    // What stands before the first slash is empty, and not a segment.
    if (segments.length > MAX_SEGMENTS + 1) return -1;
    for (let i = 1; i < segments.length; i++) {
      const segment = segments[i].replaceAll("~1", "/").replaceAll("~0", "~");
      const bytes = String.UTF8.byteLength(segment);
      if (bytes > MAX_SEGMENT_BYTES) return -1;
      this.longestKey = max(this.longestKey, bytes);
      segments[i] = segment;
    }
    // Nodes first, so that a pointer for which there is no room leaves no half-made match.
    if (!this.place(this.root, segments, 1, NO_ID, kind)) return -1;
    const id = this.count++;
    this.place(this.root, segments, 1, id, kind);
    return id;
  }

  /** Makes the nodes of a pointer from segment `at` on, and marks where it ends with its id. */
  private place(node: PointerNode, segments: string[], at: i32, id: i32, kind: i32): bool {
    if (at == segments.length) {
      if (id != NO_ID) node.addAction(id, kind);
      return true;
    }
    const segment = segments[at];
    if (segment == "*") {
      const any = this.anyOf(node);
      if (any == null || !this.place(any, segments, at + 1, id, kind)) return false;
      const items = node.itemNodes();
      for (let i = 0; i < items.length; i++) {
        if (!this.place(items[i], segments, at + 1, id, kind)) return false;
      }
      return true;
    }
    const index = indexOf(segment);
    if (index >= 0) {
      const item = this.itemOf(node, index);
      if (item == null || !this.place(item, segments, at + 1, id, kind)) return false;
    }
    const child = this.keyOf(node, segment);
    return child != null && this.place(child, segments, at + 1, id, kind);
  }

  private anyOf(node: PointerNode): PointerNode | null {
    if (node.any == null) {
      if (++this.nodes > MAX_NODES) return null;
      node.setAny(new PointerNode());
    }
    return node.any;
  }

  private itemOf(node: PointerNode, index: i32): PointerNode | null {
    const own = node.ownItem(index);
    if (own != null) return own;
    const any = node.any;
    this.nodes += any == null ? 1 : any.size();
    if (this.nodes > MAX_NODES) return null;
    const item = any == null ? new PointerNode() : any.copy();
    node.addItem(index, item);
    return item;
  }

  private keyOf(node: PointerNode, segment: string): PointerNode | null {
    const bytes = String.UTF8.encode(segment);
    const known = node.key(changetype<usize>(bytes), bytes.byteLength);
    if (known != null) return known;
    if (++this.nodes > MAX_NODES) return null;
    const child = new PointerNode();
    node.addKey(bytes, child);
    return child;
  }
}
