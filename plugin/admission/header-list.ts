import { HeaderMap, isFieldText, setHeader } from "../abi/host";
import { JsonNode } from "../scan/json-tree";
import { ByteWriter } from "../scan/json-write";
import { Bytes } from "../settlement/captured";

const texts = new ByteWriter();
const sizes = new ByteWriter();
const PAIR_BYTES = 8;

/**
 * Headers of an answer, laid out once for all requests that get them. One with a NUL, CR or LF in
 * it (RFC 9110, 5.5) would end here and begin another on the wire: it is left out.
 *
 *   bytes  name value name value …     sizes  u32 u32 u32 u32 …
 */
export class HeaderList {
  private constructor(
    private bytes: Bytes,
    private sizes: Bytes,
  ) {}

  /** The members of an object, or null where there are none. */
  static from(node: JsonNode | null): HeaderList | null {
    if (node === null) return null;
    texts.reset();
    sizes.reset();
    for (let i = 0; i < node.keys.length; i++) add(node.keys[i], node.items[i].text);
    if (sizes.length == 0) return null;
    return new HeaderList(new Bytes(texts.ptr, texts.length), new Bytes(sizes.ptr, sizes.length));
  }

  /** Sets them, each in the place of what has its name. */
  setIn(map: HeaderMap): void {
    let at = this.bytes.ptr;
    let size = this.sizes.ptr;
    const end = size + <usize>this.sizes.length;
    for (; size < end; size += PAIR_BYTES) {
      const nameLength = load<i32>(size);
      const valueLength = load<i32>(size, 4);
      const value = at + <usize>nameLength;
      setHeader(map, at, nameLength, value, valueLength);
      at = value + <usize>valueLength;
    }
  }
}

function add(name: string, value: string): void {
  const from = texts.length;
  texts.utf8(name);
  const nameLength = texts.length - from;
  texts.utf8(value);
  const length = texts.length - from;
  if (isFieldText(texts.ptr + <usize>from, length)) {
    sizes.word(nameLength);
    sizes.word(length - nameLength);
  } else texts.length = from;
}
