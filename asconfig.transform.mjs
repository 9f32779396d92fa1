/**
 * Compiler transform of the filter. `utf8("text")` becomes the address of the text's bytes:
 *
 *   u16 length │ bytes in UTF-8
 *
 * All texts lie in one data segment, each once. The compiler's own string literals would take
 * twice the bytes, a header of 20 and two segments each: a tenth of the filter.
 */
import { Parser, Source, SourceKind, Tokenizer } from "assemblyscript";
import { Transform } from "assemblyscript/transform";

const FUNCTION = "utf8";
/** Name that the program knows the address of the first text by. */
const BASE = "__texts";
const PATH = "plugin/abi/texts.ts";

export default class TextConstants extends Transform {
  afterParse(parser) {
    const bytes = [];
    const offsets = new Map();
    const addressOf = (text) => {
      if (!offsets.has(text)) {
        const encoded = Buffer.from(text);
        offsets.set(text, bytes.length);
        bytes.push(encoded.length & 0xff, encoded.length >> 8, ...encoded);
      }
      return expression(`(${BASE} + ${offsets.get(text)})`);
    };
    for (const source of parser.sources) {
      if (!source.isLibrary) source.statements = replaceCalls(source.statements, addressOf);
    }
    if (bytes.length === 0) return;
    const data = `memory.data<u8>([${bytes}], 1)`;
    parser.parseFile(`@global @lazy const ${BASE}: usize = ${data};`, PATH, false);
  }
}

/** The syntax tree with every call of the function in it replaced. */
function replaceCalls(node, addressOf) {
  if (Array.isArray(node)) return node.map((item) => replaceCalls(item, addressOf));
  if (node === null || typeof node !== "object" || node.kind === undefined) return node;
  if (node.expression?.text === FUNCTION && node.args?.length === 1) {
    return addressOf(textOf(node.args[0]));
  }
  for (const [key, value] of Object.entries(node)) {
    if (key !== "range") node[key] = replaceCalls(value, addressOf);
  }
  return node;
}

/** The text of a string literal, or of several that are added up. */
function textOf({ value, left, right }) {
  if (typeof value === "string") return value;
  if (left === undefined) throw new Error(`${FUNCTION}() takes string literals only`);
  return textOf(left) + textOf(right);
}

function expression(text) {
  const source = new Source(SourceKind.User, PATH, text);
  return new Parser().parseExpression(new Tokenizer(source));
}
