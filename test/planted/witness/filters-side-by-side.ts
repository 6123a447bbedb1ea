/*
 * Watches that catch up side by side read history together. What one of them filters out the others still get.
 */
import { expect } from "vitest";
import { defaultMemberConfig } from "../../../core/config.ts";
import { streamIdOf } from "../../../core/ids.ts";
import { WatchHub } from "../../../core/watch/hub.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { deleteOf, putOf, watchFrom } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  for (const request of [putOf("k", "1"), deleteOf("k"), putOf("k", "2")]) member.answer(request);
  const seen = new Map<number, string[]>();
  const hub = new WatchHub({
    source: member.machine.store,
    config: defaultMemberConfig,
    emit: (id, reply) => seen.set(id, [...(seen.get(id) ?? []), ...reply.events.map(({ type }) => type)]),
  });
  const filters = [{ noPut: true }, {}, { noDelete: true }, {}];
  for (const [position, filter] of filters.entries()) {
    const stream = streamIdOf(position + 1);
    hub.open(stream);
    hub.request(stream, { ...watchFrom("k", undefined, 2), ...filter });
  }
  hub.tick(1_000);
  const all = ["put", "delete", "put"];
  expect([...seen.values()]).toEqual([["delete"], all, ["put", "put"], all]);
}
