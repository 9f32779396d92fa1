import { Ascii } from "./ascii";
import { CaptureStack } from "./capture-stack";
import { typeOf } from "./json-grammar";
import { JsonSink } from "./json-sink";
import { PointerNode } from "./pointer-node";
import { PointerKind } from "./pointer-set";

const HIDDEN_OFFSET: i32 = -1;

/** Tells a JsonSink of the values whose pointers match, and captures them. */
export class ValueWatch {
  /** True where offsets would mean nothing to the sink. */
  hidesOffsets: bool = false;
  private captures: CaptureStack = new CaptureStack();
  private chunk: usize = 0;
  /** Bytes before this chunk. */
  private base: i32 = 0;

  constructor(private sink: JsonSink) {}

  /** Forgets all values, and where the stream stood. */
  reset(): void {
    this.captures.release();
    this.base = 0;
  }

  /** Forgets the values that are not complete. */
  drop(): void {
    this.captures.clear();
  }

  beginChunk(ptr: usize): void {
    this.chunk = ptr;
  }

  endChunk(len: i32): void {
    const end = this.base + len;
    if (this.captures.count != 0) this.captures.save(this.chunk, this.base, end);
    this.base = end;
  }

  /** A value begins at offset `start`, within `depth` containers. */
  begin(node: PointerNode, type: u8, depth: i32, start: i32): void {
    const kinds = node.kinds;
    if (kinds & (1 << PointerKind.Value)) this.captures.open(node, depth, start);
    const isContainer = type == Ascii.OpenBrace || type == Ascii.OpenBracket;
    if (kinds & (1 << PointerKind.Probe) && !isContainer) {
      this.tellProbes(node, type, false, start);
    }
  }

  /** The first byte has come within the container that began at offset `start`. */
  beginContent(node: PointerNode, type: u8, start: i32, empty: bool): void {
    if (node.kinds & (1 << PointerKind.Probe)) this.tellProbes(node, type, empty, start);
  }

  /** `bytes` more bytes of a string. */
  text(node: PointerNode, bytes: i32): void {
    const actions = node.actions;
    for (let i = 0; i < actions.length; i++) {
      const action = unchecked(actions[i]);
      if (PointerNode.kindOf(action) != PointerKind.Text) continue;
      this.sink.onText(PointerNode.idOf(action), bytes);
    }
  }

  /** A value within `depth` containers ends just before `p`. */
  end(depth: i32, p: usize): void {
    const captures = this.captures;
    if (captures.depth() != depth) return;
    const start = captures.start();
    const end = this.offsetOf(p);
    const at = captures.locate(this.chunk, this.base, end);
    const from = this.hidesOffsets ? HIDDEN_OFFSET : start;
    const to = this.hidesOffsets ? HIDDEN_OFFSET : end;
    const actions = captures.node().actions;
    for (let i = 0; i < actions.length; i++) {
      const action = unchecked(actions[i]);
      if (PointerNode.kindOf(action) != PointerKind.Value) continue;
      const id = PointerNode.idOf(action);
      if (at == 0) this.sink.onOversize(id, from, to);
      else this.sink.onValue(id, typeOf(load<u8>(at)), at, end - start, from, to);
    }
    captures.close();
  }

  /** Offset in the stream of a byte of this chunk. */
  offsetOf(p: usize): i32 {
    return this.base + ((p - this.chunk) as i32);
  }

  private tellProbes(node: PointerNode, type: u8, empty: bool, start: i32): void {
    const from = this.hidesOffsets ? HIDDEN_OFFSET : start;
    const actions = node.actions;
    for (let i = 0; i < actions.length; i++) {
      const action = unchecked(actions[i]);
      if (PointerNode.kindOf(action) != PointerKind.Probe) continue;
      this.sink.onProbe(PointerNode.idOf(action), type, empty, from);
    }
  }
}
