import { expect, test } from "vitest";
import { Book } from "../../../limitador-bridge/ledger/book.ts";
import { claim, reservation } from "../../store/contract/fixture.ts";

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
