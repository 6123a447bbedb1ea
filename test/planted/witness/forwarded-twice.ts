/*
 * A proposal that a follower forwards takes effect once, however often the network delivers it.
 */
import { expect } from "vitest";
import { memberIdOf } from "../../../core/ids.ts";
import { ForwardedOnce } from "../../../core/raft/forwarded.ts";

export function witness(): void {
  const once = new ForwardedOnce();
  const messages = [1, 2, 3, 2, 1, 3].map((sequence) => ({ from: memberIdOf(2n), incarnation: 1, sequence }));
  expect(messages.map((message) => once.take(message))).toEqual([true, true, true, false, false, false]);
}
