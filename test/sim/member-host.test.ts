/*
 * A simulated machine under a member that only says what a test wants it to say.
 */
import { expect, test } from "vitest";
import { defaultMemberConfig } from "../../core/config.ts";
import { clusterIdOf, memberIdOf, requestIdOf } from "../../core/ids.ts";
import type { Output } from "../../core/output.ts";
import type { HostWorld, SimMember } from "../../sim/host-world.ts";
import { MemberHost } from "../../sim/member-host.ts";
import { SimRandom } from "../../sim/random.ts";
import { Schedule } from "../../sim/schedule.ts";

const pass: Output = { type: "streamEnded", streamId: 1 as never, refusal: undefined };

/** A machine whose member answers every tick with these outputs; the world does `onStreamEnd` when it is told of one. */
function machine(outputs: readonly Output[], onStreamEnd: (host: MemberHost) => void): MemberHost {
  const nothing = (): void => {};
  const world: HostWorld = {
    schedule: new Schedule(),
    timeUs: 0,
    send: nothing,
    replied: nothing,
    streamReplied: nothing,
    streamEnded: onStreamEnd,
    passwordGiven: nothing,
    roleChanged: nothing,
    alarmsChanged: nothing,
    compactedByItself: nothing,
    stepped: nothing,
    lifeStarted: nothing,
    lifeEnded: nothing,
    removedItself: nothing,
    memberFailed: (_host, rule, reason) => {
      throw new Error(`${rule}: ${reason}`);
    },
  };
  const member = { step: () => outputs, stepAll: () => outputs } as unknown as SimMember;
  const host = new MemberHost({
    slot: 0,
    name: "n1",
    memberId: memberIdOf(1n),
    clusterId: clusterIdOf(1n),
    members: [{ memberId: memberIdOf(1n), name: "n1", peerUrls: [], clientUrls: [], isLearner: false }],
    config: defaultMemberConfig,
    clockOffsetMs: 0,
    clockDriftPpm: 0,
    syncMs: { min: 1, max: 1 },
    seed: 1,
    random: new SimRandom(1),
    startMember: () => ({ ok: true, member, outputs: [] }),
    world,
  });
  host.start();
  return host;
}

const clientGone = { type: "clientGone", nowMs: 0, requestId: requestIdOf(1) } as const;

test("who is told of an output gives the member no input before the other outputs are carried out", () => {
  const eager = machine([pass, pass], (host) => host.step(clientGone));
  expect(() => eager.step(clientGone)).toThrow("no input comes between the outputs of a step");
  let told = 0;
  const patient = machine([pass, pass], () => (told += 1));
  patient.step(clientGone);
  patient.step(clientGone);
  expect(told).toBe(4);
});

test("what a life left to do is not carried out by the life that follows it", () => {
  let told = 0;
  const outputs: readonly Output[] = [pass, { type: "outlived", incarnation: 7 } as Output, pass];
  const host = machine(outputs, () => (told += 1));
  host.step(clientGone);
  expect(host.life).toBe(2);
  expect(told).toBe(1);
});
