/** Bad traffic against the release build of the filter. */
import { describe, test } from "vitest";
import { filterConfigCorpus, pluginConfigurationCorpus } from "./configuration-corpora.ts";
import { type Corpus, isWanted, runCorpus } from "./corpus.ts";
import { exchangeCorpus } from "./exchange-corpus.ts";
import { settleAnswerCorpus } from "./settle-answer-corpus.ts";

const CORPORA: Corpus<unknown>[] = [
  exchangeCorpus("request-bodies", 20, "request"),
  exchangeCorpus("request-headers", 5, "headers"),
  exchangeCorpus("admit-answers", 10, "answer"),
  exchangeCorpus("json-responses", 12, "json"),
  exchangeCorpus("sse-responses", 18, "sse"),
  exchangeCorpus("event-stream-responses", 8, "eventstream"),
  exchangeCorpus("gzip-responses", 8, "gzip"),
  exchangeCorpus("random-responses", 4, "bytes"),
  filterConfigCorpus,
  pluginConfigurationCorpus,
  settleAnswerCorpus,
].filter(({ name }) => isWanted(name));

describe.skipIf(CORPORA.length === 0)("the filter", () => {
  for (const corpus of CORPORA) test(corpus.name, { timeout: 0 }, () => runCorpus(corpus));
});
