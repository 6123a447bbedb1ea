/*
 * Users and passwords in the simulated world: members hash and compare as real ones do, repeatably, and hold the same
 * users at the same place in the log, through power losses.
 */
import { expect, test } from "vitest";
import { type Credential, type Reply, type Request, requestIdOf } from "../../core/index.ts";
import { scenarioNamed } from "../../scenarios/index.ts";
import { planOf, worldOf } from "../../sim/runner.ts";
import type { World } from "../../sim/world.ts";
import { putOf } from "../kit/requests.ts";

/** A world whose operator may be asked things; replies to its requests by number. */
class Asking {
  readonly world: World;
  readonly #replies = new Map<number, Reply>();

  constructor(seed: number) {
    const scenario = scenarioNamed("steady");
    if (scenario === undefined) throw new Error("no scenario");
    const plan = planOf(scenario, seed);
    this.world = worldOf({
      ...plan,
      clients: [],
      watches: [],
      faults: [],
      phases: { ...plan.phases, safetyMs: 60_000 },
    });
    const { world } = this;
    const passOn = world.replied.bind(world);
    world.replied = (host, requestId, reply) => {
      this.#replies.set(requestId * 10 + host.slot, reply);
      passOn(host, requestId, reply);
    };
    world.run(3_000);
  }

  /** "ok" or the refusal, and when it came. */
  ask(slot: number, request: Request, credential?: Credential): string {
    const { world } = this;
    const host = world.hosts[slot];
    if (host === undefined) throw new Error("no such member");
    host.lastRequestId += 1;
    const number = host.lastRequestId;
    const call = { requestId: requestIdOf(number), request, requireLeader: false };
    host.step({
      type: "clientRequest",
      nowMs: host.nowMs,
      ...call,
      ...(credential === undefined ? {} : { credential }),
    });
    const limitMs = world.timeUs / 1_000 + 3_000;
    while (!this.#replies.has(number * 10 + slot) && world.timeUs / 1_000 < limitMs && !world.isOver) world.stepEvent();
    const reply = this.#replies.get(number * 10 + slot);
    return reply === undefined ? "no answer" : reply.ok ? "ok" : reply.refusal;
  }
}

function story(seed: number): { readonly said: readonly string[]; readonly digest: string } {
  const asking = new Asking(seed);
  const { world } = asking;
  const said: string[] = [];
  const ask = (slot: number, request: Request, credential?: Credential): void => {
    said.push(`${request.type} ${asking.ask(slot, request, credential)}`);
  };
  const add = (name: string, password: string): Request => ({
    type: "userAdd",
    name,
    password,

    noPassword: false,
  });
  ask(0, add("root", "secret"));
  ask(1, add("amy", "hers"));
  ask(2, { type: "roleAdd", role: "writer" });
  ask(0, { type: "userGrantRole", name: "root", role: "root" });
  ask(1, { type: "authEnable" });
  ask(2, { type: "authenticate", name: "amy", password: "hers" });
  ask(2, { type: "authenticate", name: "amy", password: "his" });
  ask(0, putOf("k", "v"));
  ask(0, putOf("k", "v"), { type: "certificate", user: "amy" });
  for (const host of world.hosts) host.kill({ powerLoss: true }, "killed");
  for (const host of world.hosts) host.start();
  world.run(world.timeUs / 1_000 + 5_000);
  ask(1, { type: "authenticate", name: "root", password: "secret" });
  ask(0, putOf("k", "v"), { type: "certificate", user: "root" });
  world.run();
  expect(world.broken).toBeUndefined();
  expect(new Set(world.hosts.map((host) => host.member?.authHash())).size).toBe(1);
  return { said, digest: `${world.digest}` };
}

test("passwords are hashed and compared, rights hold through a power loss of all, and members hold the same users", () => {
  const { said, digest } = story(3);
  expect(said).toEqual([
    "userAdd ok",
    "userAdd ok",
    "roleAdd ok",
    "userGrantRole ok",
    "authEnable ok",
    "authenticate ok",
    "authenticate authFailed",
    "put userEmpty",
    "put permissionDenied",
    "authenticate ok",
    "put ok",
  ]);
  expect(story(3).digest).toBe(digest);
});
