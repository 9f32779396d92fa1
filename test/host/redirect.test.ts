/** A request that Envoy redirects by itself goes on as another one, which is metered by itself. */
import { expect, test } from "vitest";
import {
  admit,
  CHAT,
  CHAT_ANSWER,
  request,
  respondJson,
  settleOne,
  startTollgate,
} from "./tollgate.ts";

test("the first one is settled as one that was not let go", () => {
  const host = startTollgate();
  const stream = request(host, CHAT);
  admit(host);
  stream.redirect();
  expect(settleOne(host)).toMatchObject({
    forwarded: false,
    status: 0,
    reservation: "reservation-1",
    framing: "none",
  });
  const again = request(host, CHAT);
  admit(host);
  respondJson(again, CHAT_ANSWER);
  expect(settleOne(host)).toMatchObject({ forwarded: true, usage: [CHAT_ANSWER.usage] });
});
