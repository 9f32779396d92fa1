import { Ascii } from "./ascii";
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
const MAX_NODES: i32 = 4096;
const MAX_INDEX_DIGITS: i32 = 9;
const NO_ID: i32 = -1;
const STAR: u8 = 0x2a;
const TILDE: u8 = 0x7e;
const MAX_SEGMENT_BYTES: usize = 256;

/** The array index that a segment names (RFC 6901, section 4), -1 where it names none. */
function indexOf(segment: ArrayBuffer): i32 {
  const length = segment.byteLength;
  const ptr = changetype<usize>(segment);
  if (length == 0 || length > MAX_INDEX_DIGITS) return -1;
  if (length > 1 && load<u8>(ptr) == Ascii.Zero) return -1;
  let index = 0;
  for (let i = 0; i < length; i++) {
    const digit: u32 = <u32>load<u8>(ptr + <usize>i) - Ascii.Zero;
    if (digit > 9) return -1;
    index = index * 10 + digit;
  }
  return index;
}

/**
 * The segments of a pointer, `~1` and `~0` replaced, or null where one of them, or the pointer, is
 * too long, or it is none.
 */
function segmentsOf(pointer: string): ArrayBuffer[] | null {
  const bytes = String.UTF8.encode(pointer);
  const ptr = changetype<usize>(bytes);
  const end = ptr + <usize>bytes.byteLength;
  const segments: ArrayBuffer[] = [];
  let p = ptr;
  while (p < end) {
    if (load<u8>(p++) != Ascii.Slash || segments.length == MAX_SEGMENTS) return null;
    // Written over what was read: a segment is never longer than its spelling.
    const start = p;
    let to = p;
    while (p < end && load<u8>(p) != Ascii.Slash) {
      let byte = load<u8>(p++);
      if (byte == TILDE && p < end && load<u8>(p) - Ascii.Zero < 2) {
        byte = load<u8>(p++) == Ascii.Zero ? TILDE : Ascii.Slash;
      }
      store<u8>(to++, byte);
    }
    if (to - start > MAX_SEGMENT_BYTES) return null;
    segments.push(bytes.slice(<i32>(start - ptr), <i32>(to - ptr)));
  }
  return segments;
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
    const segments = segmentsOf(pointer);
    if (segments == null) return -1;
    for (let i = 0; i < segments.length; i++) {
      this.longestKey = max(this.longestKey, segments[i].byteLength);
    }
    // Nodes first, so that a pointer for which there is no room leaves no half-made match.
    if (!this.place(this.root, segments, 0, NO_ID, kind)) return -1;
    const id = this.count++;
    this.place(this.root, segments, 0, id, kind);
    return id;
  }

  /** Makes the nodes of a pointer from segment `at` on, and marks where it ends with its id. */
  private place(node: PointerNode, segments: ArrayBuffer[], at: i32, id: i32, kind: i32): bool {
    if (at == segments.length) {
      if (id != NO_ID) node.addAction(id, kind);
      return true;
    }
    const segment = segments[at];
    if (segment.byteLength == 1 && load<u8>(changetype<usize>(segment)) == STAR) {
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

  private keyOf(node: PointerNode, segment: ArrayBuffer): PointerNode | null {
    const known = node.key(changetype<usize>(segment), segment.byteLength);
    if (known != null) return known;
    if (++this.nodes > MAX_NODES) return null;
    const child = new PointerNode();
    node.addKey(segment, child);
    return child;
  }
}
