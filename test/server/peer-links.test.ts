import { expect, test } from "vitest";
import { memberIdOf } from "../../core/ids.ts";
import { PeerLinks } from "../../core/server/peer-links.ts";

const id = (number: number) => memberIdOf(BigInt(number));

test("a connection is lost that stood before, until it stands again", () => {
  const links = new PeerLinks();
  links.note(id(1), false, 10);
  expect(links.isLost(id(1))).toBe(false);
  links.note(id(1), true, 20);
  links.note(id(1), true, 30);
  expect([links.isLost(id(1)), links.connectedSince(id(1))]).toEqual([false, 20]);
  links.note(id(1), false, 40);
  expect([links.isLost(id(1)), links.connectedSince(id(1))]).toEqual([true, undefined]);
  links.note(id(1), true, 50);
  expect([links.isLost(id(1)), links.connectedSince(id(1))]).toEqual([false, 50]);
});

test("of those that were lost only so many are remembered", () => {
  const links = new PeerLinks();
  for (let number = 1; number <= 300; number++) {
    links.note(id(number), true, number);
    links.note(id(number), false, number);
  }
  const lost = Array.from({ length: 300 }, (_none, position) => links.isLost(id(position + 1)));
  expect(lost.indexOf(true)).toBe(44);
  expect(lost.lastIndexOf(false)).toBe(43);
});
