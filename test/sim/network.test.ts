import { expect, test } from "vitest";
import { memberIdOf, type PeerMessage, termOf } from "../../core/index.ts";
import { SimNetwork } from "../../sim/network.ts";
import { recode } from "../../sim/recode.ts";
import { Schedule } from "../../sim/schedule.ts";
import { networkSuite } from "../contract/network.suite.ts";

const calm = { minDelayMs: 2, maxDelayMs: 2, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0 };

networkSuite({
  name: "simulated",
  open: async () => {
    const network = new SimNetwork({ seed: 5, members: 3, law: calm });
    const schedule = new Schedule();
    const lives = [1, 1, 1];
    const inboxes: PeerMessage[][] = [[], [], []];
    const slotOf = (id: bigint): number => Number(id) - 1;
    return {
      members: [memberIdOf(1n), memberIdOf(2n), memberIdOf(3n)],
      send: (message) => {
        const [from, to] = [slotOf(message.from), slotOf(message.to)];
        for (const delayMs of network.send(from, to)) schedule.add(delayMs, 0, 0, to, lives[to] ?? 0, from, message);
      },
      received: (member) => inboxes[slotOf(member)] ?? [],
      settle: async () => {
        for (let event = schedule.take(); event !== undefined; event = schedule.take()) {
          if (event.life !== lives[event.slot] || network.isCut(event.number, event.slot)) continue;
          const message = recode(event.payload as PeerMessage);
          if (!("malformed" in message)) inboxes[event.slot]?.push(message);
        }
      },
      cutOneWay: async ({ from, to }) => network.cutOneWay(slotOf(from), slotOf(to)),
      healAll: async () => network.heal(),
      restart: async (member) => {
        lives[slotOf(member)] = (lives[slotOf(member)] ?? 0) + 1;
        inboxes[slotOf(member)] = [];
      },
      close: async () => undefined,
    };
  },
});

const cutsOf = (network: SimNetwork): string[] => {
  const cuts: string[] = [];
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (network.isCut(from, to)) cuts.push(`${from}→${to}`);
  }
  return cuts;
};

test("a partition cuts between groups, both ways, and leaves members of no group alone", () => {
  const network = new SimNetwork({ seed: 1, members: 4, law: calm });
  network.partition([[0, 1], [2]]);
  expect(cutsOf(network)).toEqual(["0→2", "0→3", "1→2", "1→3", "2→0", "2→1", "2→3", "3→0", "3→1", "3→2"]);
});

test("healing a core leaves the cuts around it", () => {
  const network = new SimNetwork({ seed: 1, members: 4, law: calm });
  network.isolate(0);
  network.isolate(3);
  network.healAmong([0, 1, 2]);
  expect(cutsOf(network)).toEqual(["0→3", "1→3", "2→3", "3→0", "3→1", "3→2"]);
});

test("what becomes of a message depends on its link and place there, not on what other links carry", () => {
  const law = { minDelayMs: 0, maxDelayMs: 50, lossPpm: 200_000, duplicatePpm: 200_000, reorderPpm: 50_000 };
  const alone = new SimNetwork({ seed: 9, members: 3, law });
  const busy = new SimNetwork({ seed: 9, members: 3, law });
  for (let message = 0; message < 100; message++) {
    busy.send(1, 0);
    busy.send(2, 1);
    expect(busy.send(0, 1)).toEqual(alone.send(0, 1));
  }
});

const word = (life: number): PeerMessage => ({
  type: "hello",
  from: memberIdOf(1n),
  to: memberIdOf(2n),
  term: termOf(1),
  incarnation: life,
});

test("a clogged link holds back what it is given, in order, and lets go of it once, when it is healed", () => {
  const network = new SimNetwork({ seed: 1, members: 3, law: calm });
  expect(network.hold({ from: 0, to: 1, life: 1, message: word(1) })).toBe(false);
  network.clog(0);
  for (const life of [1, 2]) expect(network.hold({ from: 0, to: 1, life, message: word(life) })).toBe(true);
  expect(network.hold({ from: 1, to: 2, life: 1, message: word(3) })).toBe(false);
  expect(network.takeReleased()).toEqual([]);
  network.healAmong([1, 2]);
  expect(network.takeReleased()).toEqual([]);
  network.heal();
  expect(network.takeReleased().map(({ life }) => life)).toEqual([1, 2]);
  expect(network.takeReleased()).toEqual([]);
  expect(network.hold({ from: 0, to: 1, life: 1, message: word(1) })).toBe(false);
});

test("a clogged link has a bound: what comes beyond it is lost", () => {
  const network = new SimNetwork({ seed: 1, members: 2, law: calm });
  network.clog(1);
  for (let life = 1; life <= 5_000; life++) network.hold({ from: 0, to: 1, life, message: word(life) });
  network.heal();
  const released = network.takeReleased();
  expect(released.length).toBe(2_000);
  expect(released.at(-1)?.life).toBe(2_000);
});
