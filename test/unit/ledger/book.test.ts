import { expect, test } from "vitest";
import { Book } from "../../../limitador-bridge/ledger/book.ts";
import { claim, reservation, settlement } from "../../store/contract/fixture.ts";

const silent = {
  ended: () => undefined,
  counterChanged: () => {},
  holdChanged: () => {},
  end: () => {},
  record: () => {},
};

test("counters of users seen once are dropped when their window is over, in slices", () => {
  const book = new Book(silent);
  for (let n = 0; n < 2_500; n += 1) {
    book.reserve(reservation(`old${n}`, [claim({ key: `user${n}` })]), 1_000);
  }
  book.reserve(reservation("new", [claim({ key: "late" })]), 50_000);
  expect(book.counters.size).toBe(2_501);
  expect([...book.dropOver(60_999, 1_000)]).toHaveLength(2);
  expect(book.counters.size).toBe(2_501);
  expect([...book.dropOver(61_000, 1_000)]).toHaveLength(2);
  expect([...book.counters.values()].map(({ key }) => key)).toEqual(["late"]);
});

test("a denial leaves no counter and no hold", () => {
  const book = new Book(silent);
  for (let n = 0; n < 100; n += 1) {
    book.reserve(reservation(`r${n}`, [claim({ key: `user${n}`, limit: 0 })]), 1_000);
  }
  expect([book.counters.size, book.holds.size]).toEqual([0, 0]);
});

test("holds that are over end in slices, and one that is settled meanwhile does not", () => {
  const book = new Book(silent);
  for (let n = 0; n < 5; n += 1) {
    const claims = [claim({ limit: 1_000, reserve: 10, onExpiry: 4 })];
    book.reserve(reservation(`h${n}`, claims, { holdMs: 100 + n }), 0);
  }
  const slices = book.expire(103, 2);
  expect(slices.next().value).toMatchObject([{ id: "h0" }, { id: "h1" }]);
  expect(book.views("", 1, 103)).toMatchObject([{ used: 8, held: 30 }]);
  book.settle(settlement("h2", 7), 103);
  expect(slices.next().value).toMatchObject([{ id: "h3" }]);
  expect(slices.next().done).toBe(true);
  expect(book.views("", 1, 103)).toMatchObject([{ used: 19, held: 10 }]);
  expect([...book.holds.keys()]).toEqual(["h4"]);
});
