/*
 * A watch of a range brings nothing of the key at its end, neither when it happens nor from history.
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
    config: defaultMemberConfig,
    emit: (_, reply) => seen.push(...reply.events.map(({ keyValue }) => textOfBytes(keyValue.key))),
  });
  const stream = streamIdOf(1);
  hub.open(stream);
  const write = (key: string): void => {
    const { changes } = member.do(putOf(key));
    hub.notify(changes, member.machine.store.currentRevision);
  };
  for (const key of ["a", "a\xff", "b"]) write(key);
  hub.request(stream, watchFrom("a", "b", 1));
  hub.tick(1_000);
  expect(seen).toEqual(["a", "a\xff"]);
  for (const key of ["b", "a"]) write(key);
  expect(seen).toEqual(["a", "a\xff", "a"]);
}
