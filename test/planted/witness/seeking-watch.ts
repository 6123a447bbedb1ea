/*
 * A watch that finds nothing in a part of history reads the next one at once: nothing is sent that somebody would take,
 * and so nothing else would make it go on before the next look at the clock. Source: etcd v3 API, Watch.
 */
import { expect } from "vitest";
import { create, stageOf, stream } from "../../watch/hub-kit.ts";

export function witness(): void {
  const { hub, write, tick, taken } = stageOf({ watchRevisionsPerReplyMax: 2 });
  for (let number = 0; number < 100; number++) write(["a", "1"], ["b", "1"], ["c", "1"], ["d", "1"]);
  write(["a", undefined]);
  hub.request(stream, create("", "\0", { startRevision: 1, noPut: true }));
  tick();
  expect(taken()).toEqual(["#0 @102 created", "#0 @102 a deleted@102"]);
}
