/*
 * What people are told about members that forgot: the case decides what they have to do.
 */
import { expect, test } from "vitest";
import { memberIdOf } from "../../core/ids.ts";
import type { RaftView, RecallView } from "../../core/raft/ready.ts";
import { standingText } from "../../core/server/standing.ts";

const id = memberIdOf(0xan);
const record = (value: bigint, name: string) => ({
  memberId: memberIdOf(value),
  name,
  peerUrls: [],
  clientUrls: [],
  isLearner: false,
});
const members = [record(0xan, "m1"), record(0xbn, "m2"), record(0xcn, "")];
const told = (recall: RecallView): string | undefined => standingText({ id, recall } as RaftView, members);

test("one that lacks answers is told whose, one that has them only has to wait", () => {
  const [silent, forgetful] = [[memberIdOf(0xbn), memberIdOf(0xcn)], []];
  expect(told({ forgotten: undefined, missing: 2, silent, forgetful })).toBeUndefined();
  expect(told({ forgotten: "term", missing: 2, silent, forgetful })).toMatch(
    /later term; it does not count until 2 more of m2 \(b\), c have answered: start them, or give this member up with "etcdctl member remove a"/,
  );
  expect(told({ forgotten: "entries", missing: 0, silent: [], forgetful })).toMatch(/it is being sent what it lacks/);
});

test("where too few can ever answer, the way out is named, and the others that forgot if there are any", () => {
  const silent = [memberIdOf(0xbn), memberIdOf(0xcn)];
  expect(told({ forgotten: "everything", missing: 2, silent, forgetful: [memberIdOf(0xbn)] })).toMatch(
    /and its log is empty, and so are those of m2 \(b\): too few members are left .* --force-new-cluster/,
  );
  expect(told({ forgotten: "entries", missing: 1, silent: [], forgetful: [] })).toMatch(
    /are not in its log: too few members are left .* --force-new-cluster/,
  );
});
