/*
 * Who asks for progress while a watch is catching up is answered when it has caught up.
 */
import { expect } from "vitest";
import { defaultMemberConfig } from "../../../core/config.ts";
import { streamIdOf } from "../../../core/ids.ts";
import { WatchHub } from "../../../core/watch/hub.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf, watchFrom } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  for (const value of ["1", "2", "3"]) member.answer(putOf("k", value));
  const seen: string[] = [];
  const hub = new WatchHub({
    source: member.machine.store,
    config: { ...defaultMemberConfig, watchProgressMs: 1_000_000 },
    emit: (_, reply) => seen.push(reply.created ? "created" : reply.events.length > 0 ? "events" : "progress"),
  });
  const stream = streamIdOf(1);
  hub.open(stream);
  hub.request(stream, watchFrom("k", undefined, 2));
  hub.request(stream, { type: "watchProgress" });
  expect(seen).toEqual(["created"]);
  for (let nowMs = 1_000; nowMs < 3_000; nowMs += 100) hub.tick(nowMs);
  expect(seen).toEqual(["created", "events", "progress"]);
}
