/** Cohere bills `billed_units`; `tokens` count also what Cohere adds, and are not billed. */
import { figuresOf, isObject, type RawObject, valueAt } from "../figures.ts";
import { emptyReading, type Reading, tokensOf } from "../reading.ts";

const UNITS: [unit: string, path: string][] = [
  ["search_units", "search_units"],
  ["classifications", "classifications"],
  ["images", "images"],
];

/** Reads `billed_units`, or an object around it. */
export function readCohere(objects: { value: RawObject }[]): Reading {
  const last = objects.at(-1)?.value ?? {};
  const inner = valueAt(last, "billed_units") ?? valueAt(last, "tokens");
  const figures = figuresOf(isObject(inner) ? inner : last);
  const text = figures.main("input_tokens");
  const output = figures.main("output_tokens");
  const images = figures.main("image_tokens");
  const units = UNITS.map(([unit, path]) => [unit, figures.main(path) ?? 0] as const);
  const otherUnits = Object.fromEntries(units.filter(([, count]) => count > 0));
  const inputImage = images ?? 0;
  const said = [text, output, images].some((figure) => figure !== undefined);
  return {
    ...emptyReading(),
    tokens: tokensOf({ input: (text ?? 0) + inputImage, inputImage, output: output ?? 0 }),
    otherUnits,
    final: !figures.malformed && (said || Object.keys(otherUnits).length > 0),
    inputKnown: text !== undefined,
  };
}
