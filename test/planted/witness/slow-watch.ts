/*
 * A stream that takes nothing gets no more replies than it has room for; what its watch missed meanwhile is read again
 * from the history, and every change arrives once, in order.
 */
import { expect } from "vitest";
import { textOfBytes } from "../../../core/bytes.ts";
import { defaultMemberConfig } from "../../../core/config.ts";
import { streamIdOf } from "../../../core/ids.ts";
import { WatchHub } from "../../../core/watch/hub.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf, watchFrom } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  const seen: string[] = [];
  const hub = new WatchHub({
    source: member.machine.store,
    config: { ...defaultMemberConfig, watchRepliesMax: 2 },
    emit: (_, reply) => seen.push(...reply.events.map(({ keyValue }) => textOfBytes(keyValue.value))),
  });
  const stream = streamIdOf(1);
  hub.open(stream);
  hub.request(stream, watchFrom("k"));
  for (const value of ["1", "2", "3", "4"]) {
    const { changes } = member.do(putOf("k", value));
    hub.notify(changes, member.machine.store.currentRevision);
  }
  expect(seen.length).toBeLessThan(4);
  for (let nowMs = 1_000; nowMs < 5_000; nowMs += 100) {
    hub.drained(stream, 2);
    hub.tick(nowMs);
  }
  expect(seen).toEqual(["1", "2", "3", "4"]);
}
