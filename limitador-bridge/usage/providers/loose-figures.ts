/** APIs whose counts stand alone in the body: Ollama, watsonx, Titan and Llama on Bedrock. */
import type { Capture } from "../capture.ts";
import { isCount } from "../figures.ts";
import { emptyReading, type Reading, tokensOf } from "../reading.ts";

const OLLAMA = { input: "/prompt_eval_count", output: "/eval_count" };
const LLAMA = { input: "/prompt_token_count", output: "/generation_token_count" };
const TITAN = { input: "/inputTextTokenCount", output: "/results/*/tokenCount" };
const WATSONX = {
  input: "/results/*/input_token_count",
  output: "/results/*/generated_token_count",
};
/** watsonx says in every chunk but the last that there is more to come. */
const NOT_FINISHED = "not_finished";

/** Reads counts that are facts; null where there are none. */
export function readLooseFigures(capture: Capture): Reading | null {
  return (
    readOllama(capture) ?? readWatsonx(capture) ?? readOf(capture, TITAN) ?? readOf(capture, LLAMA)
  );
}

/**
 * Ollama leaves the prompt's count out where the prompt came from its cache, and an embedding
 * has no output: what is missing in the last document is 0.
 */
function readOllama(capture: Capture): Reading | null {
  const reading = readOf(capture, OLLAMA);
  if (reading === null) return null;
  const embedding = capture.fact(OLLAMA.output) === undefined && capture.textBytes === 0;
  const done = capture.fact("/done") === true && capture.record.unfinished !== true;
  return { ...reading, final: reading.final && (done || embedding), inputKnown: done };
}

function readWatsonx(capture: Capture): Reading | null {
  const reading = readOf(capture, WATSONX);
  const last = capture.fact("/results/*/stop_reason") !== NOT_FINISHED;
  return reading === null ? null : { ...reading, final: reading.final && last };
}

function readOf(capture: Capture, at: { input: string; output: string }): Reading | null {
  const values = [capture.fact(at.input), capture.fact(at.output)];
  if (values.every((value) => value === undefined)) return null;
  const [input = 0, output = 0] = values;
  const final = isCount(input) && isCount(output);
  return {
    ...emptyReading(),
    tokens: tokensOf({ input: isCount(input) ? input : 0, output: isCount(output) ? output : 0 }),
    final,
    inputKnown: isCount(input) && capture.fact(at.input) !== undefined,
  };
}
