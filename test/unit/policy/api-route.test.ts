import { describe, expect, test } from "vitest";
import { filterConfig } from "../../../limitador-bridge/api/filter-config.ts";
import { CAPTURE } from "../../../limitador-bridge/usage/capture-pointers.ts";
import { load, problemsOf } from "./fixture.ts";

const apiRoute = (routes: string) => `apiVersion: tollgate.dev/v1alpha1
kind: ApiRoute
metadata: {name: ours}
spec:
  routes:
${routes}`;
const routesOf = (text: string) => load(apiRoute(text)).set.apiRoutes;

describe("an ApiRoute", () => {
  test("takes what its API's own path has, and says what is otherwise", () => {
    const [plain, quiet, stream] =
      routesOf(`
    - {path: /llm/chat, api: openai.chat.completions}
    - {path: /mistral/chat, api: openai.chat.completions, includeUsage: false}
    - {path: "/models/{model}/talk", api: gemini.generateContent, method: PUT, stream: true}
`) ?? [];
    expect(plain).toMatchObject({
      api: "openai.chat.completions",
      path: "/llm/chat",
      errorShape: "openai",
      includeUsage: true,
    });
    expect(plain?.includeUsageExcept).toContain("mistral-");
    expect(quiet).toMatchObject({
      api: "openai.chat.completions",
      path: "/mistral/chat",
      errorShape: "openai",
      includeUsage: false,
    });
    expect(quiet?.includeUsageExcept).toBeUndefined();
    expect(stream).toMatchObject({
      api: "gemini.generateContent",
      path: "/models/{model}/talk",
      errorShape: "gemini",
      includeUsage: false,
      method: "PUT",
      stream: true,
    });
  });

  test("asks every model for usage where it says so itself", () => {
    const [asked] =
      routesOf(`
    - {path: /vllm/chat, api: openai.chat.completions, includeUsage: true}
`) ?? [];
    expect(asked?.includeUsage).toBe(true);
    expect(asked?.includeUsageExcept).toBeUndefined();
  });

  test("comes before what the paths' own names tell, in the filter config", () => {
    const { set } = load(apiRoute("    - {path: /v1/messages, api: openai.chat.completions}"));
    const config = filterConfig({ capture: CAPTURE, admitTimeoutMs: 1 }, set);
    expect(config.apis[0]).toMatchObject({ path: "/v1/messages", api: "openai.chat.completions" });
    expect(config.apis.slice(1)).toEqual(CAPTURE.apis);
  });

  test("does not count a token-counting path", () => {
    const [counting] = routesOf("    - {path: /llm/count, api: anthropic.countTokens}") ?? [];
    expect(counting).toMatchObject({ api: "anthropic.countTokens", errorShape: "anthropic" });
  });

  test.each([
    [
      "{path: /x, api: openai.chat.completion}",
      "policies.yaml:6:23: spec.routes[0].api: " +
        'unknown API "openai.chat.completion"; did you mean "openai.chat.completions"?',
    ],
    [
      "{path: /x, api: anthropic-chat}",
      'policies.yaml:6:23: spec.routes[0].api: unknown API "anthropic-chat": expected one of ' +
        "anthropic.complete, anthropic.countTokens, anthropic.messages",
    ],
    [
      "{path: /x, api: anthropic.messages, includeUsage: true}",
      "policies.yaml:6:57: spec.routes[0].includeUsage: " +
        "expected false: anthropic.messages has no way to be asked for usage",
    ],
    [
      '{path: "v1/chat?x", api: openai.chat.completions}',
      "policies.yaml:6:14: spec.routes[0].path: expected the end of a path, " +
        'such as "/v1/chat/completions", without a query, found "v1/chat?x"',
    ],
    [
      "{path: /x, api: openai.chat.completions, provider: x}",
      "policies.yaml:6:48: spec.routes[0].provider: unknown field",
    ],
  ])("%s is refused", (route, message) => {
    expect(problemsOf(load(apiRoute(`    - ${route}`)))[0]).toContain(message);
  });
});
