/*
 * A watch of few keys that is far behind reads only what changed of them, as much as a look may hold, and goes on where
 * that ends. Source: etcd v3 API, Watch.
 */
import { expect } from "vitest";
import { revisionOf } from "../../../core/ids.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf, txnOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  member.do(txnOf({ success: [putOf("hot", "1"), putOf("more", "1")] }));
  for (let number = 0; number < 2_500; number++) member.do(putOf("hot", "2"));
  member.do(putOf("more", "2"));
  const { store } = member.machine;
  const keys = { from: "hot", to: "n" };
  let changes = 0;
  for (let next = revisionOf(1); next <= store.currentRevision; ) {
    const part = store.changesOf(keys, next, 5_000, 1_000_000);
    changes += part?.changes.length ?? 0;
    next = part?.next ?? revisionOf(next + 1);
  }
  expect(changes).toBe(2_503);
}
