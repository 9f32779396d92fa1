/** The preview (/v1/estimate) and the filter take a path for the same API and model. */
import { expect, test } from "vitest";
import { llmRequest } from "../../limitador-bridge/estimate/preview-request.ts";
import { CAPTURE } from "../../limitador-bridge/usage/capture-pointers.ts";
import { admit, request, startTollgate } from "./tollgate.ts";

const BODY = { model: "of-the-body", messages: [], contents: [] };
const BOTS = { api: "ours.bots", errorShape: "openai", includeUsage: false };
const APIS = [{ ...BOTS, path: "/bots-{model}/talk" }, ...CAPTURE.apis];

test.each<[string, string | null, string]>([
  ["/v1/chat/completions", "openai.chat.completions", "of-the-body"],
  ["/V1/Chat/Completions", "openai.chat.completions", "of-the-body"],
  ["/v1/chat/completions/", "openai.chat.completions", "of-the-body"],
  ["/v1/chat/%63ompletions", "openai.chat.completions", "of-the-body"],
  ["/v1/chat/%43ompletions?a=b", "openai.chat.completions", "of-the-body"],
  ["/v1/chat/completions/?a=/b", "openai.chat.completions", "of-the-body"],
  ["/v1/chat/completions#f", "openai.chat.completions", "of-the-body"],
  ["/v1/chat/completions//", null, "of-the-body"],
  ["/v1/chat%2Fcompletions", null, "of-the-body"],
  ["/v1/messages%2", null, "of-the-body"],
  ["/v1/responses/resp_1/cancel", "openai.responses.retrieve", "of-the-body"],
  ["/openai/Deployments/My-4o/Chat/Completions", "openai.chat.completions", "My-4o"],
  [
    "/v1beta/models/gemini-2.0-flash%3AgenerateContent",
    "gemini.generateContent",
    "gemini-2.0-flash",
  ],
  [
    "/v1beta/models/gemini-2%2e0-flash%3agenerateContent/",
    "gemini.generateContent",
    "gemini-2.0-flash",
  ],
  ["/v1/models/qwen3%3A4b%3AgenerateContent", "gemini.generateContent", "qwen3:4b"],
  ["/model/arn%3Aaws%2Fx%20%7E/converse", "bedrock.converse", "arn:aws%2Fx%20~"],
  ["/model/arn:aws/x/invoke", "bedrock.invoke", "x"],
  ["/bots-a/talk", "ours.bots", "a"],
  ["/x/bots-%C3%A9/talk", "ours.bots", "%C3%A9"],
  ["/bots-a-b/talk", null, "of-the-body"],
  ["/", null, "of-the-body"],
])("%s is %s of %s", (path, api, model) => {
  const host = startTollgate({ filterConfig: { apis: APIS } });
  request(host, BODY, { path });
  expect(admit(host).llm).toMatchObject({ api, model });
  const asked = { api: null, path, body: BODY, bodyBytes: 1 };
  const parts = { ...CAPTURE, apis: APIS, bodyPointers: [] };
  expect(llmRequest(asked, parts)).toMatchObject({ api, model });
});
