import { expect, test } from "vitest";
import type { RaftMessage } from "../../core/index.ts";
import { memberIdOf } from "../../core/index.ts";
import { smallScenarios } from "../../scenarios/small/index.ts";
import type { SmallScenario } from "../../scenarios/small/small-scenario.ts";
import { Canon, hiding, type Renaming, renamings } from "../../sim/exhaustive/canon.ts";
import { type Choice, SmallMember } from "../../sim/exhaustive/small-member.ts";
import { SimRandom } from "../../sim/random.ts";
import { sourceFiles } from "../tidy/sources.ts";

const folded = smallScenarios.filter(({ asksOthers }) => !asksOthers);

/** Two clusters in which the same happens, to other members. */
class Twins {
  readonly #canon: Canon;
  readonly #renaming: Renaming;
  readonly #random: SimRandom;
  readonly #scenario: SmallScenario;
  readonly #members: readonly SmallMember[];
  readonly #renamed: readonly SmallMember[];
  readonly #inFlight: RaftMessage[] = [];
  readonly #inFlightRenamed: RaftMessage[] = [];
  #names = 0;

  constructor(scenario: SmallScenario, renaming: Renaming, seed: number) {
    this.#scenario = scenario;
    this.#canon = new Canon(scenario);
    this.#renaming = renaming;
    this.#random = new SimRandom(seed);
    const ids = Array.from({ length: scenario.members }, (_none, slot) => memberIdOf(BigInt(slot + 1)));
    this.#members = ids.map((id) => new SmallMember(id, scenario));
    this.#renamed = ids.map((id) => new SmallMember(id, scenario));
  }

  /** The text of the first, renamed, and of the second, wherever they differ. */
  step(): readonly string[] {
    const slot = this.#random.below(this.#members.length);
    const position = this.#random.below(Math.max(1, this.#inFlight.length));
    const message = this.#inFlight[position];
    if (message !== undefined && this.#random.below(3) > 0) {
      const text = this.#canon.textOf(message, this.#renaming);
      const same = this.#inFlightRenamed.findIndex((one) => this.#plain(one) === text);
      const renamed = this.#inFlightRenamed[same];
      if (renamed === undefined) return [text, "no such message was sent by the others"];
      this.#inFlight.splice(position, 1);
      this.#inFlightRenamed.splice(same, 1);
      return this.#both(Number(message.to) - 1, { type: "deliver", message }, { type: "deliver", message: renamed });
    }
    const choice = this.#choiceAt(this.#members[slot] as SmallMember);
    if (choice === undefined) return [];
    if (choice.type !== "transfer") return this.#both(slot, choice, choice);
    const to = memberIdOf(this.#renaming[Number(choice.to)] ?? choice.to);
    return this.#both(slot, choice, { ...choice, to });
  }

  #choiceAt(member: SmallMember): Choice | undefined {
    const draw = this.#random.below(7);
    if (member.hasPendingWrites && draw < 4) return { type: "persist" };
    if (member.raft.role === "leader") {
      if (draw === 0 && this.#names < 15) return { type: "write", write: this.#names++ };
      if (draw === 1 && this.#names < 15) return { type: "read", read: this.#names++ };
      if (draw === 2) return { type: "heartbeat" };
      if (draw === 3 && this.#scenario.budgets.transfers > 0) {
        return { type: "transfer", to: memberIdOf(BigInt(1 + this.#random.below(this.#members.length))) };
      }
    }
    if (draw === 5 && this.#scenario.budgets.crashes > 0) return { type: "crash" };
    return draw === 6 ? { type: "timeout" } : undefined;
  }

  #both(slot: number, choice: Choice, choiceRenamed: Choice): readonly string[] {
    const member = this.#members[slot] as SmallMember;
    const renamed = this.#renamed[Number(this.#renaming[slot + 1]) - 1] as SmallMember;
    this.#inFlight.push(...member.choose(choice).sent);
    this.#inFlightRenamed.push(...renamed.choose(choiceRenamed).sent);
    const [here, there] = [this.#canon.textOf(member.contents, this.#renaming), this.#plain(renamed.contents)];
    return here === there ? [] : [here, there];
  }

  #plain(value: unknown): string {
    return this.#canon.textOf(value, renamings(this.#members.length)[0] as Renaming);
  }
}

test.each(folded)("members of $name do the same under any names, so states may be folded", (scenario) => {
  const all = renamings(scenario.members);
  let steps = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const twins = new Twins(scenario, all[seed % all.length] as Renaming, seed);
    for (let step = 0; step < 80; step++, steps++) expect(twins.step()).toEqual([]);
  }
  expect(steps).toBe(30 * 80);
});

test("each renaming is there once, and the first changes nothing", () => {
  const all = renamings(3);
  expect(new Set(all.map((one) => one.join(" "))).size).toBe(6);
  expect(all[0]).toEqual([0n, 1n, 2n, 3n]);
});

test("lists by member and messages to different members have no order, messages to one member have", () => {
  const canon = new Canon({ asksOthers: true });
  const [same, swapped] = [renamings(2)[0] as Renaming, renamings(2)[1] as Renaming];
  expect(canon.textOf([1n, 2n], same)).toBe(canon.textOf([2n, 1n], same));
  expect(canon.textOf([1n, 2n], same)).toBe(canon.textOf([1n, 2n], swapped));
  const note = (to: bigint, text: string): object => ({ from: 9n, to, text });
  expect(canon.textOf([note(1n, "a"), note(2n, "b")], same)).toBe(canon.textOf([note(2n, "b"), note(1n, "a")], same));
  expect(canon.textOf([note(1n, "a"), note(1n, "b")], same)).not.toBe(
    canon.textOf([note(1n, "b"), note(1n, "a")], same),
  );
  expect(() => canon.textOf(() => 1, same)).toThrow("no canonical text");
});

test("everything that a Raft machine holds can be seen, or is refused: no other class has hidden fields", () => {
  const hidden = sourceFiles(["core/raft"]).flatMap(({ path, code }) => {
    const classes = [...code.matchAll(/\bclass (\w+)/g)].map((match) => match[1] ?? "");
    return /(?:^|[\s.])#[a-z]\w*/i.test(code) && !classes.every((name) => hiding.includes(name)) ? [path] : [];
  });
  expect(hidden).toEqual([]);
  class ReadLease {}
  expect(hiding).toContain(ReadLease.name);
  const canon = new Canon({ asksOthers: false });
  expect(() => canon.textOf({ lease: new ReadLease() }, renamings(2)[0] as Renaming)).toThrow("hides its fields");
});

test("every field that is left out of a state is there", () => {
  const files = sourceFiles(["core/raft"]).map(({ code }) => code);
  const missing = Canon.leftOut().filter(({ kind, field }) => {
    const owner = files.find((code) => new RegExp(`class ${kind}\\b|readonly type: "${kind}"`).test(code)) ?? "";
    return !new RegExp(`\\b${field}\\b\\s*[!:=]`).test(owner);
  });
  expect(Canon.leftOut().length).toBeGreaterThan(5);
  expect(missing).toEqual([]);
});
