/*
 * A watch brings revisions in their order, large ones and small ones alike.
 */
import { expect } from "vitest";
import { defaultMemberConfig } from "../../../core/config.ts";
import { streamIdOf } from "../../../core/ids.ts";
import { WatchHub } from "../../../core/watch/hub.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf, txnOf, watchFrom } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  const seen: number[] = [];
  const hub = new WatchHub({
    source: member.machine.store,
    config: defaultMemberConfig,
    emit: (_, reply) => seen.push(...reply.events.map(({ keyValue }) => keyValue.modRevision)),
  });
  const stream = streamIdOf(1);
  hub.open(stream);
  hub.request(stream, watchFrom("k", "l"));
  for (const request of [putOf("k1"), txnOf({ success: [putOf("k1"), putOf("k2")] }), putOf("k1")]) {
    const { changes } = member.do(request);
    hub.notify(changes, member.machine.store.currentRevision);
  }
  hub.tick(1_000);
  expect(seen).toEqual([2, 3, 3, 4]);
}
