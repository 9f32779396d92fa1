/** Finds the reading of a capture: by the shapes of its usage objects, then by loose figures. */
import { addTo } from "../multi-map.ts";
import type { Capture, CapturedUsage } from "./capture.ts";
import { inputTotal, outputTotal } from "./normal-form.ts";
import { readAnthropic } from "./providers/anthropic.ts";
import { readBedrockHeaders, readConverse, readInvocationMetrics } from "./providers/bedrock.ts";
import { readCohere } from "./providers/cohere.ts";
import { readGemini, readInteractions, readPredictions } from "./providers/gemini.ts";
import { readLooseFigures } from "./providers/loose-figures.ts";
import { readDuration, readPages, readUnreportedMedia } from "./providers/media.ts";
import { type OpenaiDialect, readOpenai, readToolUsage } from "./providers/openai.ts";
import { emptyReading, type Reading } from "./reading.ts";
import { type Shape, shapeOf } from "./shape.ts";

/** Readers in the order of trust: of two final readings with the same totals the first counts. */
const READERS: [
  shape: Shape,
  read: (capture: Capture, objects: CapturedUsage[], dialect: OpenaiDialect) => Reading,
][] = [
  ["anthropic", readAnthropic],
  ["openai", readOpenai],
  ["gemini", readGemini],
  ["interactions", (_, objects) => readInteractions(objects)],
  ["converse", (_, objects) => readConverse(objects)],
  ["metrics", (_, objects) => readInvocationMetrics(objects)],
  ["cohere", (_, objects) => readCohere(objects)],
  ["predictions", (_, objects) => readPredictions(objects)],
  ["duration", (_, objects) => readDuration(objects)],
  ["pages", (_, objects) => readPages(objects)],
  ["unknown", () => ({ ...emptyReading(), final: false, inputKnown: false })],
];

/** The best reading of what was captured, null where nothing speaks of usage. */
export function readUsage(capture: Capture, provider: string | null): Reading | null {
  const shaped = byShape(capture);
  const dialect = dialectOf(capture, provider);
  const readings: Reading[] = [];
  for (const [shape, read] of READERS) {
    const objects = shaped.get(shape);
    if (objects !== undefined) readings.push(read(capture, objects, dialect));
  }
  const reading =
    best(readings.filter(({ final }) => final)) ??
    finalOrNull(readBedrockHeaders(capture)) ??
    best(readings) ??
    readLooseFigures(capture) ??
    (capture.failed ? null : readUnreportedMedia(capture));
  const tools = shaped.get("tools")?.at(-1);
  if (reading === null || tools === undefined) return reading;
  const { otherUnits, extraLines } = readToolUsage(tools.value);
  return {
    ...reading,
    otherUnits: { ...reading.otherUnits, ...otherUnits },
    extraLines: [...reading.extraLines, ...extraLines],
  };
}

/** The usage objects of each shape, in the order seen. */
function byShape(capture: Capture): Map<Shape, CapturedUsage[]> {
  const shaped = new Map<Shape, CapturedUsage[]>();
  for (const each of capture.usage) {
    const shape = shapeOf(capture, each);
    // Others' metadata is what the client put in.
    if (each.pointer !== "/metadata/usage" || shape === "converse") addTo(shaped, shape, each);
  }
  return shaped;
}

/** Of readings that contradict each other the larger. */
function best(readings: Reading[]): Reading | null {
  const weight = ({ tokens }: Reading) => inputTotal(tokens) + outputTotal(tokens);
  return readings.reduce<Reading | null>(
    (chosen, each) => (chosen !== null && weight(chosen) >= weight(each) ? chosen : each),
    null,
  );
}

function finalOrNull(reading: Reading | null): Reading | null {
  return reading?.final === true ? reading : null;
}

function dialectOf(capture: Capture, provider: string | null): OpenaiDialect {
  const responses = capture.usage.some(({ pointer }) => pointer === "/response/usage");
  return {
    reasoningExcluded: provider === "xai" && !responses && capture.api !== "openai.responses",
    hiddenReasoning: provider === "gemini" || provider === "vertex",
  };
}
