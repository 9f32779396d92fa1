/** Requests for images: by the token or by the piece, and how many at most. Pure. */
import type { LlmRequest } from "../contract/filter.ts";

export const IMAGES_API = "openai.images";
/** The models of it that are sold by tokens. */
const BY_TOKENS = /(^|\/)(chat)?gpt-image/i;

/** Of gpt-image-1's square images the tokens of the finest, as OpenAI publishes them. */
export const TOKENS_PER_IMAGE = 4_160;
/** Of its largest and finest, with three partial images of 100 tokens each. */
export const MOST_TOKENS_PER_IMAGE = 6_540;

/** Whether a request is for images that are billed by tokens; those that stream are, too. */
export function isImageByTokens({ api, stream, model }: Omit<ImageRequest, "choices">): boolean {
  return api === IMAGES_API && (stream || BY_TOKENS.test(model ?? ""));
}

type ImageRequest = Pick<LlmRequest, "api" | "stream" | "model" | "choices">;

/** How many images are asked for by the piece; 0: none. */
export function imagesByPiece(request: ImageRequest): number {
  if (request.api !== IMAGES_API || isImageByTokens(request)) return 0;
  return Math.max(1, request.choices);
}
