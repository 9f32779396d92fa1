/** Bad traffic against the release build of the filter. */
import { describe, test } from "vitest";
import { filterConfigCorpus, pluginConfigurationCorpus } from "./configuration-corpora.ts";
import { type Corpus, isWanted, runCorpus } from "./corpus.ts";
import { exchangeCorpus } from "./exchange-corpus.ts";
import { settleAnswerCorpus } from "./settle-answer-corpus.ts";

const CORPORA: Corpus<unknown>[] = [
  exchangeCorpus("request-bodies", 17, "request"),
  exchangeCorpus("request-headers", 4, "headers"),
  exchangeCorpus("admit-answers", 9, "answer"),
  exchangeCorpus("json-responses", 11, "json"),
  exchangeCorpus("sse-responses", 16, "sse"),
  exchangeCorpus("event-stream-responses", 7, "eventstream"),
  exchangeCorpus("gzip-responses", 7, "gzip"),
  exchangeCorpus("random-responses", 3, "bytes"),
  filterConfigCorpus,
  pluginConfigurationCorpus,
  settleAnswerCorpus,
].filter(({ name }) => isWanted(name));

describe.skipIf(CORPORA.length === 0)("the filter", () => {
  for (const corpus of CORPORA) test(corpus.name, { timeout: 0 }, () => runCorpus(corpus));
});
