const BUCKETS: i32 = 16;
const KIND_BITS: i32 = 2;
const KIND_MASK: i32 = (1 << KIND_BITS) - 1;

/** An object key, and the node that it leads to; keys of one bucket make a list. */
class KeyEdge {
  constructor(
    readonly bytes: ArrayBuffer,
    readonly node: PointerNode,
    readonly next: KeyEdge | null,
  ) {}
}

/** An array index, and the node that it leads to. */
class ItemEdge {
  constructor(
    readonly index: i32,
    readonly node: PointerNode,
    readonly next: ItemEdge | null,
  ) {}
}

function bucketOf(ptr: usize, len: i32): i32 {
  if (len == 0) return 0;
  return (len + load<u8>(ptr) * 7 + load<u8>(ptr + len - 1) * 3) & (BUCKETS - 1);
}

/** One place in the tree of a PointerSet: the pointers that end here, and the ways on. */
export class PointerNode {
  /** One bit for each PointerKind of which a pointer ends here. */
  kinds: i32 = 0;
  /** The pointers that end here, see idOf and kindOf. */
  readonly actions: i32[] = [];
  /** True where a longer pointer goes through here. */
  hasChildren: bool = false;
  /** Node of any array index that has no node of its own. */
  any: PointerNode | null = null;
  private keys: StaticArray<KeyEdge | null> | null = null;
  private items: ItemEdge | null = null;

  static idOf(action: i32): i32 {
    return action >> KIND_BITS;
  }

  static kindOf(action: i32): i32 {
    return action & KIND_MASK;
  }

  addAction(id: i32, kind: i32): void {
    this.actions.push((id << KIND_BITS) | kind);
    this.kinds |= 1 << kind;
  }

  /** Node of an object key, given by its `len` bytes at `ptr`. */
  key(ptr: usize, len: i32): PointerNode | null {
    const keys = this.keys;
    if (keys == null) return null;
    let edge = unchecked(keys[bucketOf(ptr, len)]);
    while (edge != null) {
      const bytes = edge.bytes;
      if (bytes.byteLength == len && memory.compare(changetype<usize>(bytes), ptr, len) == 0) {
        return edge.node;
      }
      edge = edge.next;
    }
    return null;
  }

  addKey(bytes: ArrayBuffer, node: PointerNode): void {
    let keys = this.keys;
    if (keys == null) {
      keys = new StaticArray<KeyEdge | null>(BUCKETS);
      this.keys = keys;
    }
    const bucket = bucketOf(changetype<usize>(bytes), bytes.byteLength);
    keys[bucket] = new KeyEdge(bytes, node, keys[bucket]);
    this.hasChildren = true;
  }

  /** Node of just this array index. */
  ownItem(index: i32): PointerNode | null {
    let edge = this.items;
    while (edge != null) {
      if (edge.index == index) return edge.node;
      edge = edge.next;
    }
    return null;
  }

  /** Node of an array index. */
  item(index: i32): PointerNode | null {
    const own = this.ownItem(index);
    return own != null ? own : this.any;
  }

  addItem(index: i32, node: PointerNode): void {
    this.items = new ItemEdge(index, node, this.items);
    this.hasChildren = true;
  }

  setAny(node: PointerNode): void {
    this.any = node;
    this.hasChildren = true;
  }

  /** The nodes of all indexes that have one of their own. */
  itemNodes(): PointerNode[] {
    const nodes: PointerNode[] = [];
    let edge = this.items;
    while (edge != null) {
      nodes.push(edge.node);
      edge = edge.next;
    }
    return nodes;
  }

  /** How many nodes there are from here on, this one included. */
  size(): i32 {
    let size = 1;
    const any = this.any;
    if (any != null) size += any.size();
    const items = this.itemNodes();
    for (let i = 0; i < items.length; i++) size += items[i].size();
    const keys = this.keys;
    if (keys == null) return size;
    for (let i = 0; i < BUCKETS; i++) {
      let edge = keys[i];
      while (edge != null) {
        size += edge.node.size();
        edge = edge.next;
      }
    }
    return size;
  }

  /** The same tree again, sharing nothing that can change. */
  copy(): PointerNode {
    const copy = new PointerNode();
    for (let i = 0; i < this.actions.length; i++) {
      const action = this.actions[i];
      copy.addAction(PointerNode.idOf(action), PointerNode.kindOf(action));
    }
    const any = this.any;
    if (any != null) copy.setAny(any.copy());
    let item = this.items;
    while (item != null) {
      copy.addItem(item.index, item.node.copy());
      item = item.next;
    }
    const keys = this.keys;
    if (keys == null) return copy;
    for (let i = 0; i < BUCKETS; i++) {
      let edge = keys[i];
      while (edge != null) {
        copy.addKey(edge.bytes, edge.node.copy());
        edge = edge.next;
      }
    }
    return copy;
  }
}
