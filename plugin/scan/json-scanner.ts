import { Ascii } from "./ascii";
import { Base64Decoder } from "./base64-decoder";
import { JsonGrammar } from "./json-grammar";
import { JsonSink } from "./json-sink";
import { PointerPath } from "./pointer-path";
import { PointerKind, PointerSet } from "./pointer-set";
import { StringReader, StringUse } from "./string-reader";
import { ValueWatch } from "./value-watch";

export { JsonSink };

/**
 * Finds the values at a PointerSet's pointers in JSON that comes in pieces of any size.
 *
 * Each top-level value is a document. The objects in a top-level array are documents of their
 * own; the array itself and what else is in it are none. A document that is not JSON, or nested
 * deeper than 128, fails: nothing more is told until end() or reset().
 */
export class JsonScanner extends JsonGrammar {
  /** Containers around the document: 1 in a top-level array, else 0. */
  private documentDepth: i32 = 0;
  private inDocument: bool = false;
  /** Offset of the value that began last. */
  private begun: i32 = 0;
  /** True while a base64 document is in the string that is being read. */
  private inBase64: bool = false;
  private path: PointerPath = new PointerPath();
  private watch: ValueWatch;
  private base64: Base64Decoder;
  /** Scans the base64 documents of this one; made for the first of them. */
  private inner: JsonScanner | null = null;
  private isInner: bool = false;

  constructor(
    private set: PointerSet,
    private sink: JsonSink,
  ) {
    const base64 = new Base64Decoder();
    super(new StringReader(set.longestKey, base64));
    this.base64 = base64;
    this.watch = new ValueWatch(sink);
  }

  /** Forgets everything; the next byte is the first of a new stream, at offset 0. */
  reset(): void {
    this.begin();
    this.tooDeep = false;
    this.watch.reset();
    const inner = this.inner;
    if (inner != null) inner.reset();
  }

  /** Takes the next `len` bytes, at `ptr`. */
  push(ptr: usize, len: i32): void {
    this.watch.beginChunk(ptr);
    this.read(ptr, ptr + len);
    this.watch.endChunk(len);
  }

  /**
   * The input ends here: a top-level number is complete, any other open value is not valid. What
   * is pushed next is a new stream, though offsets go on.
   */
  end(): void {
    this.watch.beginChunk(0);
    this.finish();
    this.begin();
  }

  protected begin(): void {
    super.begin();
    this.documentDepth = 0;
    this.inDocument = false;
    this.inBase64 = false;
    this.watch.drop();
  }

  protected topBegins(byte: u8): void {
    const isArray = byte == Ascii.OpenBracket;
    this.documentDepth = isArray ? 1 : 0;
    this.inDocument = !isArray;
    this.path.node = isArray ? null : this.set.root;
  }

  protected itemBegins(byte: u8): void {
    if (this.depth != this.documentDepth) {
      this.path.toItem(this.depth);
      return;
    }
    this.inDocument = byte == Ascii.OpenBrace;
    this.path.node = this.inDocument ? this.set.root : null;
  }

  protected memberBegins(ptr: usize, len: i32): void {
    this.path.toMember(this.depth, ptr, len);
  }

  protected longMemberBegins(): void {
    this.path.node = null;
  }

  protected valueBegins(type: u8, p: usize): StringUse {
    const node = this.path.node;
    if (node == null) return StringUse.Nothing;
    const kinds = node.kinds;
    if (kinds == 0) return StringUse.Nothing;
    this.begun = this.watch.offsetOf(p);
    this.watch.begin(node, type, this.depth, this.begun);
    if (type != Ascii.Quote) return StringUse.Nothing;
    let use = kinds & (1 << PointerKind.Text) ? StringUse.Text : StringUse.Nothing;
    if (kinds & (1 << PointerKind.Base64) && !this.isInner) {
      use |= StringUse.Base64;
      this.inBase64 = true;
      this.base64.begin(this.innerScanner());
    }
    return use;
  }

  protected containerOpens(): void {
    const isArrayOfDocuments = this.depth == 1 && this.documentDepth == 1;
    if (isArrayOfDocuments || this.path.enter(this.depth)) this.watched = this.depth;
  }

  protected contentBegins(type: u8, empty: bool): void {
    const node = this.path.node;
    if (node != null) this.watch.beginContent(node, type, this.begun, empty);
  }

  protected textGrows(): void {
    const strings = this.strings;
    this.watch.text(this.path.node!, strings.textBytes);
    strings.textBytes = 0;
  }

  protected valueEnds(p: usize): void {
    if (this.inBase64) this.endBase64();
    this.watch.end(this.depth, p);
    if (this.inDocument && this.depth == this.documentDepth) {
      this.inDocument = false;
      this.sink.onDocument(true);
    }
  }

  protected documentFails(): void {
    this.watch.drop();
    if (this.inBase64) this.endBase64();
    this.sink.onDocument(false);
  }

  private endBase64(): void {
    this.inBase64 = false;
    this.inner!.end();
  }

  private innerScanner(): JsonScanner {
    let inner = this.inner;
    if (inner == null) {
      inner = new JsonScanner(this.set, this.sink);
      inner.isInner = true;
      inner.watch.hidesOffsets = true;
      this.inner = inner;
    }
    return inner;
  }
}
