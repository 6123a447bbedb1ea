import { expect, test } from "vitest";
import { checkByName } from "../../scenarios/check/all.ts";
import type { HistoryEvent } from "../../scenarios/history.ts";
import { Recorder } from "./history-kit.ts";

type Retention = Extract<HistoryEvent, { type: "autoCompaction" }>["retention"];

/** Revisions 2 to 5, one each 100 ms from 0; then the compaction. */
function verdictOf(revision: number, atMs: number, retention: Retention): string {
  const recorder = new Recorder();
  for (let write = 0; write < 4; write++) recorder.at(write * 100).put(write + 1, "k", `v${write}`, write + 2);
  recorder.events.push({ type: "autoCompaction", atMs, member: "a", revision, retention });
  recorder.at(atMs).put(9, "k", "last", 6);
  const check = checkByName("retention");
  if (check === undefined) throw new Error("no such check");
  const { verdict, detail } = check.check(recorder.events, { steps: 10_000 });
  return `${verdict}: ${detail}`;
}

test("what was current a period before must not go", () => {
  const periodic: Retention = { mode: "periodic", periodMs: 250 };
  expect(verdictOf(3, 400, periodic)).toBe("holds: 1 automatic compactions left what they had to");
  expect(verdictOf(4, 400, periodic)).toMatch(/^violated: a asked at 400 ms for compaction to revision 4; what was/);
});

test("the newest so many revisions must not go", () => {
  const byRevision: Retention = { mode: "revision", revisions: 2 };
  expect(verdictOf(3, 400, byRevision)).toMatch(/^holds/);
  expect(verdictOf(4, 400, byRevision)).toMatch(/^violated: .*the newest 2 revisions were to stay/);
  expect(verdictOf(5, 400, byRevision)).toMatch(/^violated: .*but revision 7 never was/);
});
