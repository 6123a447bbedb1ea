/*
 * Members that applied the same entries have one hash, however far each of them is in removing what was compacted.
 */
import { expect } from "vitest";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const [done, idle] = [new TestMachine(), new TestMachine()];
  for (const member of [done, idle]) {
    for (let number = 0; number < 20; number++) member.answer(putOf(`k${number % 3}`, `${number}`));
    member.answer({ type: "compact", revision: 15, physical: false });
  }
  done.settle();
  expect(done.machine.hashKv(0)).toEqual(idle.machine.hashKv(0));
}
