/*
 * The loop between a member and its world.
 */
import { expect, test } from "vitest";
import { Loop, type LoopOptions } from "../../chaos/member/loop.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** A member that has so many steps to do beyond those it is given inputs for. */
function loopOf(postponed: number) {
  let left = postponed;
  const steps: number[] = [];
  const member = {
    stepAll(inputs: readonly unknown[]) {
      steps.push(inputs.length);
      if (inputs.length === 0) left -= 1;
      return [];
    },
    get hasPostponed() {
      return left > 0;
    },
  };
  const world = { clock: { nowMs: () => 0 }, backend: { pendingWrites: 0 }, commitWrites: 1 };
  return { loop: new Loop(member, world as unknown as LoopOptions), steps };
}

test("inputs of one turn are one step", async () => {
  const { loop, steps } = loopOf(0);
  loop.step({ type: "tick" });
  loop.step({ type: "tick" });
  await turn();
  loop.step({ type: "tick" });
  await turn();
  expect(steps).toEqual([2, 1]);
});

test("a member with work left is stepped again without an input, and what comes in between is heard", async () => {
  const { loop, steps } = loopOf(3);
  loop.step({ type: "tick" });
  while (steps.length < 2) await new Promise((resolve) => setImmediate(resolve));
  loop.step({ type: "tick" });
  for (let turns = 0; turns < 10; turns++) await turn();
  expect(steps.filter((inputs) => inputs === 0)).toHaveLength(3);
  expect(steps.filter((inputs) => inputs > 0)).toHaveLength(2);
  loop.stop();
});
