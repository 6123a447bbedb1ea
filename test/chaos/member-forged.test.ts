/*
 * Somebody who can reach the peer port of a healthy member, knows the ids of its cluster, and says what no member would:
 * it is refused and named, and the cluster goes on as if nothing had been said.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BoundedWarnings } from "../../chaos/member/bounded-warnings.ts";
import { silentLog } from "../../chaos/member/log.ts";
import { termProblem, termsMissedMax } from "../../chaos/member/peer-terms.ts";
import { encodePeerMessage, indexOf, memberIdOf, type PeerMessage, termOf } from "../../core/index.ts";
import { answerTo, frameOf, greetingOf } from "../kit/peer-frames.ts";
import { type RealCluster, type RealMember, startCluster } from "../kit/real-members.ts";

/** As answers of the JSON gateway have it. */
interface Status {
  readonly header: { readonly cluster_id: string; readonly member_id: string };
  readonly leader: string;
  readonly raftTerm: string;
}

describe("three members", () => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await startCluster(3);
    await cluster.ready();
  }, 60_000);
  afterAll(() => cluster.close());

  async function call<Answer>(position: number, path: string, body: object): Promise<Answer> {
    const url = `http://127.0.0.1:${cluster.clientPorts[position]}/v3/${path}`;
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
    return (await answer.json()) as Answer;
  }
  const statuses = (): Promise<readonly Status[]> =>
    Promise.all(cluster.members.map((_, position) => call<Status>(position, "maintenance/status", {})));

  test("no word of another one makes them leave the terms that elections lead to", async () => {
    await call(0, "kv/put", { key: btoa("k"), value: btoa("v") });
    const before = await statuses();
    const place = termOf(2 ** 52);
    for (const [position, { header, raftTerm }] of before.entries()) {
      const [to, from] = [header, before[(position + 1) % 3]?.header].map((each) => BigInt(each?.member_id ?? 0));
      const ids = { cluster: BigInt(header.cluster_id), from: from ?? 0n, to: to ?? 0n };
      const common = { from: memberIdOf(ids.from), to: memberIdOf(ids.to), term: place };
      const [lastIndex, lastTerm] = [indexOf(place), place];
      const forged: readonly PeerMessage[] = [
        { ...common, type: "vote", lastIndex, lastTerm, transfer: true },
        { ...common, type: "preVote", lastIndex, lastTerm },
        { ...common, type: "heartbeat", commitIndex: indexOf(0), readRound: 0, toIncarnation: 0, held: undefined },
      ];
      const text = `a message is of term ${place}, which no elections lead to from term ${raftTerm}`;
      for (const message of forged) {
        const said = Buffer.concat([greetingOf(ids), frameOf(encodePeerMessage(message))]);
        expect(await answerTo(cluster.peerPorts[position] ?? 0, said)).toContain(text);
      }
      await (cluster.members[position] as RealMember).logged(text);
    }
    await call(1, "kv/put", { key: btoa("k"), value: btoa("w") });
    const of = (each: Status): readonly string[] => [each.raftTerm, each.leader];
    expect((await statuses()).map(of)).toEqual(before.map(of));
  }, 60_000);
});

test("a member that was away for long follows, and one that has heard of nothing yet believes anything", () => {
  const message = (term: number): PeerMessage => ({
    type: "preVote",
    ...{ from: memberIdOf(1n), to: memberIdOf(2n), term: termOf(term), lastIndex: indexOf(0), lastTerm: termOf(0) },
  });
  expect(termProblem(message(5 + termsMissedMax), 5)).toBeUndefined();
  expect(termProblem(message(6 + termsMissedMax), 5)).toContain("which no elections lead to from term 5");
  expect(termProblem(message(2 ** 52), 0)).toBeUndefined();
  expect(termProblem(message(1), 2 ** 51)).toBeUndefined();
});

test("a warning is told three times in ten seconds and counted after that, others beside it are told as well", () => {
  const told: string[] = [];
  let nowMs = 0;
  const warn = (text: string, fields: object = {}): void => void told.push(`${text} ${JSON.stringify(fields)}`);
  const warnings = new BoundedWarnings({ ...silentLog, warn }, () => nowMs);
  for (let round = 0; round < 100; round++) warnings.warn("rejected", { from: "a" });
  warnings.warn("rejected", { from: "b" });
  expect(told.splice(0)).toEqual([...Array(3).fill('rejected {"from":"a"}'), 'rejected {"from":"b"}']);
  nowMs = 10_000;
  warnings.warn("rejected", { from: "a" });
  warnings.warn("rejected", { from: "a" });
  expect(told.splice(0)).toEqual(['rejected {"from":"a","suppressed":97}', 'rejected {"from":"a"}']);
  // However many kinds there are: those that find no place of their own share three.
  for (let each = 0; each < 10_000; each++) warnings.warn("rejected", { from: each });
  expect(told.length).toBeLessThan(70);
});
