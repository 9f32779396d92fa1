/** How forms are written (RFC 2046, 5.1, and RFC 7578), well and badly, and how they are cut. */
import { describe, expect, test } from "vitest";
import type { LlmRequest } from "../../limitador-bridge/contract/filter.ts";
import { createRandom, inPieces, pick, type Random } from "../fuzz/random.ts";
import { asked, FILE, field, form, MODEL, modelOf, READ, send, TYPE } from "./form.ts";
import type { Host } from "./host.ts";
import { admit, settleOne, startTollgate } from "./tollgate.ts";

describe("boundaries", () => {
  test.each([
    ["quoted", 'multipart/form-data; boundary="B"'],
    ["in another case", "Multipart/Form-DATA;BOUNDARY=B"],
    ["with white space around", "multipart/form-data ; charset=utf-8 ; boundary = B ; x=y"],
    [
      "after another parameter with a semicolon",
      'multipart/form-data; x="a;b\\"; boundary=C"; boundary=B',
    ],
  ])("%s", (_what, type) => {
    expect(modelOf(form(MODEL, FILE), type)).toBe("whisper-1");
  });

  test.each([
    ["without a boundary", "multipart/form-data"],
    ["with an empty one", "multipart/form-data; boundary="],
    ["with another one", "multipart/form-data; boundary=C"],
    ["of another type", "multipart/mixed; boundary=B"],
    ["with a type that has no end", `multipart/form-data; x=${"x".repeat(5000)}; boundary=B`],
  ])("a content-type %s tells nothing", (_what, type) => {
    expect(modelOf(form(MODEL, FILE), type)).toBeNull();
  });

  test("have up to 70 characters", () => {
    for (const [size, model] of [[70, "whisper-1"] as const, [71, null] as const]) {
      const boundary = "b".repeat(size);
      const body = form(MODEL).toString("latin1").replaceAll("--B", `--${boundary}`);
      expect(modelOf(body, `multipart/form-data; boundary="${boundary}"`)).toBe(model);
    }
  });

  test.each([
    [
      "a preamble and an epilogue",
      `pre\r\namble\r\n${form(MODEL)}\r\n${form(field("model", "x"))}`,
    ],
    ["padding after them", form(MODEL).toString().replaceAll("--B\r", "--B \t\r")],
    ["bare line feeds", form(MODEL).toString().replaceAll("\r\n", "\n")],
    ["no line end after the last", form(MODEL).toString().slice(0, -2)],
    ["the last one missing after another part", `--B\r\n${MODEL}\r\n--B\r\n${FILE}`],
  ])("with %s", (_what, body) => {
    expect(modelOf(body)).toBe("whisper-1");
  });

  test.each([
    ["is cut off", `--B\r\n${MODEL}`],
    ["has half a boundary after it", `--B\r\n${MODEL}\r\n--`],
    ["has no boundary before it", `${MODEL}\r\n--B--\r\n`],
    ["comes after the last one", `--B--\r\n\r\n--B\r\n${MODEL}\r\n--B--\r\n`],
    ["comes after one that goes on", `--Bx\r\n${MODEL}\r\n--B--\r\n`],
  ])("a field that %s is none", (_what, body) => {
    expect(modelOf(body)).toBeNull();
  });

  test.each([
    ["one that goes on", "\r\n--Bx\r\n"],
    ["one with text after white space", "\r\n--B x\r\n"],
    ["one with a single dash", "\r\n--B-\r\n"],
    ["one with white space before its dashes", "\r\n--B --\r\n"],
    ["one with a NUL after it", "\r\n--B\0\r\n"],
    ["one with a bare line feed after it", "\r\n--B\n"],
    ["one with a bare line feed before it", "\n--B\r\n"],
    ["one in another case", "\r\n--b\r\n"],
  ])("a file may hold %s", (_what, fake) => {
    const file = `${FILE}${fake}${field("model", "fake")}`;
    expect([form(MODEL, file), form(file, MODEL)].map((body) => modelOf(body))).toEqual([
      "whisper-1",
      "whisper-1",
    ]);
    expect(modelOf(form(file))).toBeNull();
  });

  test("a field that has what may be one in it is not told", () => {
    expect(modelOf(form(field("model", "a\r\n--Bx")))).toBeNull();
  });
});

describe("part headers", () => {
  test.each([
    ["in lower case", 'content-disposition:form-data;name="model"'],
    ["in upper case", 'CONTENT-DISPOSITION: FORM-DATA; NAME="model"'],
    ["without quotes", "Content-Disposition: form-data; name=model "],
    ["with an escape", 'Content-Disposition: form-data; x="\\\\\\"; filename=y"; name="model"'],
    ["after another", 'Content-Type: text/plain\r\nContent-Disposition: form-data; name="model"'],
    ["before another", 'Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain'],
    ["folded", 'Content-Disposition: form-data;\r\n\t \r\n name="model"'],
    ["beside a long one", `X: ${"x".repeat(9000)}\r\nContent-Disposition: form-data; name="model"`],
    ["as long as may be", `Content-Disposition: form-data; name="model"; x="${"x".repeat(1995)}"`],
  ])("%s", (_what, headers) => {
    expect(modelOf(form(`${headers}\r\n\r\nwhisper-1`))).toBe("whisper-1");
  });

  test.each([
    ["without a name", "Content-Disposition: form-data"],
    ["with another name", 'Content-Disposition: form-data; name="models"'],
    ["with a name in another case", 'Content-Disposition: form-data; name="Model"'],
    ["of a file", 'Content-Disposition: form-data; name="model"; filename="a"'],
    ["of a file named first", 'Content-Disposition: form-data; FILENAME=""; name="model"'],
    ["of a file by RFC 5987", "Content-Disposition: form-data; name=model; filename*=utf-8''a"],
    ["with the name in another header", 'X-Content-Disposition: form-data; name="model"'],
    ["with the name in a folded one", 'X: y\r\n Content-Disposition: form-data; name="model"'],
    ["with the name in another parameter", 'Content-Disposition: form-data; x="; name=model"'],
    ["of which the last has none", `${MODEL.slice(0, -13)}\r\nContent-Disposition: form-data`],
    ["that are none", ""],
  ])("%s tell no model", (_what, headers) => {
    const part = headers === "" ? "\r\nwhisper-1" : `${headers}\r\n\r\nwhisper-1`;
    expect(modelOf(form(part, field("n", "1")))).toBeNull();
  });

  test("with a name at the root of a pointer with more segments tell nothing", () => {
    expect(asked(form(MODEL, field("a", "1"))).body).toBeUndefined();
  });
});

describe("values", () => {
  test("of two same names the last counts", () => {
    expect(modelOf(form(MODEL, field("model", "gpt-4o-transcribe")))).toBe("gpt-4o-transcribe");
  });

  test("have up to 256 bytes", () => {
    expect(modelOf(form(field("model", "m".repeat(256))))).toBe("m".repeat(256));
    expect(modelOf(form(field("model", "m".repeat(257))))).toBeNull();
  });

  test("may have line ends in them, and nothing", () => {
    expect(modelOf(form(field("model", "a\r\n\r\r\n--\r\nb\r\n")))).toBe("a\r\n\r\r\n--\r\nb\r\n");
    expect(modelOf(form(field("model", "")))).toBe("");
  });
});

describe("what readers of forms do not agree on tells nothing", () => {
  test.each([
    ["a name by RFC 5987", "Content-Disposition: form-data; name*=utf-8''model\r\n\r\nx"],
    ["a name in sections", 'Content-Disposition: form-data; name*0="mo"; name*1="del"\r\n\r\nx'],
    ["a header that ends in LF", 'X: y\nContent-Disposition: form-data; name="model"\r\n\r\nx'],
    ["headers that end in LF", 'Content-Disposition: form-data; name="model"\n\nx'],
    [
      "a content-disposition that is too long",
      `Content-Disposition: form-data; x="${"x".repeat(2100)}"; name="model"\r\n\r\nx`,
    ],
  ])("%s", (_what, part) => {
    const body = form(MODEL, part);
    expect(asked(body)).toEqual({ ...READ, model: null, inputBytes: body.length });
  });

  test("a JSON object that is a form as well", () => {
    const text = form(MODEL).toString();
    expect(modelOf(`{"model":"x"}\r\n${text}`)).toBeNull();
    expect(modelOf(`{"a":"\r\n${text}","model":"x"}`)).toBeNull();
  });
});

describe("random forms", () => {
  const PIECES = ["\r\n", "\r", "\n", "--B", "--", "-", "B", "\r\n--", "x", '"', "\0", MODEL];
  const noise = (random: Random) =>
    Array.from({ length: random(12) }, () => pick(random, PIECES)).join("");

  /** What is asked, however the body is cut. */
  function askedAnyhow(host: Host, random: Random, body: Buffer): LlmRequest {
    const [first, ...others] = [0, 1, 2, 3].map((way) => {
      const pieces = way === 0 ? [body] : inPieces(random, body);
      const sizes = pieces.map(({ length }) => length);
      const stream = send(host, body, TYPE, () => sizes.shift() ?? body.length);
      const { llm } = admit(host);
      expect(stream.upstream.body.equals(body)).toBe(true);
      stream.disconnect();
      settleOne(host);
      return llm;
    });
    for (const other of others) expect([body.toString(), other]).toEqual([body.toString(), first]);
    return first as LlmRequest;
  }

  test("are read the same however they are cut, and as they were made", () => {
    const random = createRandom(20);
    const host = startTollgate();
    for (let run = 0; run < 300; run++) {
      let model: string | null = null;
      const parts = Array.from({ length: 1 + random(4) }, () => {
        const text = noise(random).replaceAll("B", "b");
        if (random(2) === 0) return `${FILE}${text}`;
        if (text.length <= 256) model = text;
        return field("model", text);
      });
      const body = form(...parts);
      expect([body.toString(), askedAnyhow(host, random, body).model]).toEqual([
        body.toString(),
        model,
      ]);
    }
  });

  test("that are none are read the same however they are cut", () => {
    const random = createRandom(7);
    const host = startTollgate();
    for (let run = 0; run < 300; run++) {
      const parts = Array.from({ length: 1 + random(4) }, () => pick(random, [MODEL, FILE]));
      const body = Buffer.from(form(...parts));
      const cuts = Array.from({ length: 1 + random(4) }, () => random(body.length)).sort();
      const bytes = cuts.map((at, i) =>
        Buffer.concat([body.subarray(cuts[i - 1] ?? 0, at), Buffer.from(noise(random))]),
      );
      askedAnyhow(host, random, Buffer.concat([...bytes, body.subarray(cuts.at(-1) ?? 0)]));
    }
  });
});
