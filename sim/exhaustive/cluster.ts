/*
 * The whole small world: which choices a state of the cluster has, and what each makes of it. A state is a row of
 * numbers: one for each member's own state, what is used of the budgets, the annals, and the messages in flight.
 *
 * Two kinds of choices are left out, since they reach nothing that is not reached without them. A delivery that changes
 * nothing and makes nobody speak: a network may lose the message instead. A message that can never matter again: it is
 * not kept in flight.
 */
import type { SmallScenario } from "../../scenarios/small/small-scenario.ts";
import { AllAnnals, type Broken } from "./annals.ts";
import { Canon, renamings } from "./canon.ts";
import { type Code, Codebook, codeAt, codeOfCopy, codeOfDelivery, type Step, used } from "./choices.ts";
import { Flight, type Row } from "./flight.ts";
import { isOver, type Local, Locals, type Transition } from "./locals.ts";
import { Messages } from "./messages.ts";
import { Rules } from "./rules.ts";
import { Signature } from "./signature.ts";
import { configOf } from "./small-member.ts";

/** "idle": nothing came of it, and nothing need be looked at. "broken": see {@link SmallCluster.broken}. */
export type Stepped = "moved" | "idle" | "broken";

/** Cells that a state may take: 5 members and more messages than any scenario has in flight. */
const cellsMax = 4_096;

export class SmallCluster {
  readonly scenario: SmallScenario;
  readonly messages: Messages;
  readonly locals: Locals;
  readonly annals: AllAnnals;
  /** How many renamings of the members are folded into one state. */
  readonly foldedBy: number;
  readonly signature: Signature;
  /** What the last step led to; overwritten by the next. */
  readonly next: Row = { cells: new Int32Array(cellsMax), length: 0 };
  /** The rule that the last step broke. */
  broken: Broken | undefined;
  readonly #codebook: Codebook;
  readonly #flight: Flight;
  readonly #rules: Rules;
  readonly #checksQuorum: boolean;
  /** By a member's state, then by message: 0 not known, 1 it may matter, 2 it is over. */
  readonly #over: Uint8Array[] = [];
  /** Cells of a state: after those of the members, the budgets, the annals, and from there on messages. */
  readonly #budgetAt: number;
  readonly #annalsAt: number;
  readonly #flightAt: number;

  constructor(scenario: SmallScenario) {
    this.scenario = scenario;
    this.#budgetAt = scenario.members;
    this.#annalsAt = scenario.members + 1;
    this.#flightAt = scenario.members + 2;
    const all = renamings(scenario.members);
    // Who is told what about whom goes round in id order, so members that ask are not interchangeable.
    const folded = scenario.asksOthers ? all.slice(0, 1) : all;
    this.foldedBy = folded.length;
    const canon = new Canon(scenario);
    this.messages = new Messages({ canon, renamings: folded });
    this.locals = new Locals({ scenario, canon, renamings: folded, messages: this.messages });
    this.annals = new AllAnnals({ locals: this.locals, renamings: folded });
    this.#codebook = new Codebook(this.messages);
    this.#flight = new Flight(this.messages, scenario.links);
    this.#rules = new Rules({ locals: this.locals, annals: this.annals, members: scenario.members });
    this.signature = new Signature({
      locals: this.locals,
      annals: this.annals.hashes,
      messages: this.messages.hashes,
      flight: this.#flight,
      members: scenario.members,
      renamings: folded,
    });
    this.#checksQuorum = configOf(scenario).checkQuorum;
  }

  /** Where every path begins. */
  start(): Row {
    const { members, start } = this.scenario;
    const cells = new Int32Array(this.#flightAt);
    for (let slot = 0; slot < members; slot++) cells[slot] = this.locals.start(slot).number;
    cells[this.#annalsAt] = this.annals.start();
    const blank = { cells, length: cells.length };
    return start === "blank" ? blank : this.#led(blank);
  }

  /** Every choice that is left, in an order that depends on nothing but the state. */
  choices(state: Row): readonly Code[] {
    const { members, budgets } = this.scenario;
    const spent = state.cells[this.#budgetAt] as number;
    const codes: Code[] = [];
    const may = (name: keyof typeof budgets): boolean => used(spent, name) < budgets[name];
    for (let slot = 0; slot < members; slot++) {
      const local = this.localAt(state, slot);
      const leads = local.role === "leader";
      if (may("timeouts") && (!leads || this.#checksQuorum)) codes.push(codeAt("timeout", slot));
      if (leads && may("heartbeats")) codes.push(codeAt("heartbeat", slot));
      if (local.hasPendingWrites) codes.push(codeAt("persist", slot));
      if (may("crashes")) codes.push(codeAt("crash", slot));
      if (may("wipes") && this.#isRemembered(state, slot)) codes.push(codeAt("wipe", slot));
      if (leads && may("writes")) codes.push(codeAt("write", slot, used(spent, "writes")));
      if (leads && may("reads")) codes.push(codeAt("read", slot, used(spent, "reads")));
      if (leads && may("transfers")) {
        for (let to = 0; to < members; to++) if (to !== slot) codes.push(codeAt("transfer", slot, to));
      }
    }
    const mayCopy = may("copies");
    for (let at = this.#flightAt; at < state.length; at++) {
      const message = state.cells[at] as number;
      // Of two that say the same on one link, the older is followed by more; in a bag it makes no difference.
      if (this.#isRepeated(state, at)) continue;
      codes.push(codeOfDelivery(message));
      if (mayCopy) codes.push(codeOfCopy(message));
    }
    return codes;
  }

  localAt(state: Row, slot: number): Local {
    return this.locals.at(state.cells[slot] as number);
  }

  stepOf(code: Code): Step {
    return this.#codebook.stepOf(code);
  }

  /** Makes {@link next} of the state, when the step leads somewhere. */
  step(state: Row, code: Code): Stepped {
    const step = this.#codebook.stepOf(code);
    const { slot } = step;
    const from = this.localAt(state, slot);
    const transition = this.locals.step(from, step);
    const { to, sent, heard, broken } = transition;
    if (broken !== undefined) {
      this.broken = { rule: broken.rule, text: `member ${slot + 1}: ${broken.text}` };
      return "broken";
    }
    const isDelivery = step.message !== undefined;
    if (isDelivery && to === from && sent.length === 0 && heard === undefined) return "idle";
    const { next } = this;
    for (let cell = 0; cell < this.#flightAt; cell++) next.cells[cell] = state.cells[cell] as number;
    next.length = this.#flightAt;
    next.cells[slot] = to.number;
    next.cells[this.#budgetAt] = (state.cells[this.#budgetAt] as number) + step.cost;
    this.broken = this.#judge(next, step, from, transition);
    if (this.broken !== undefined) return "broken";
    this.#fly(state, step, sent);
    return "moved";
  }

  /** Numbers of the messages in flight. */
  inFlight(state: Row): readonly number[] {
    return Array.from(state.cells.subarray(this.#flightAt, state.length));
  }

  /** Member 1 campaigns, and everything that follows happens, oldest first; none of it is charged to the budgets. */
  #led(blank: Row): Row {
    const { members, start } = this.scenario;
    let state = blank;
    let heartbeats = start === "told" ? members : 0;
    for (let count = 0; count < 1_000; count++) {
      let code: Code | undefined;
      for (let slot = 0; slot < members && code === undefined; slot++) {
        if (this.localAt(state, slot).hasPendingWrites) code = codeAt("persist", slot);
      }
      const message = state.cells[this.#flightAt];
      if (code === undefined && state.length > this.#flightAt) code = codeOfDelivery(message as number);
      if (code === undefined && this.localAt(state, 0).role === "leader") {
        if (heartbeats === 0) return state;
        heartbeats -= 1;
        code = codeAt("heartbeat", 0);
      }
      const stepped = this.step(state, code ?? codeAt("timeout", 0));
      if (stepped === "broken") throw new Error(`the start breaks ${this.broken?.rule}: ${this.broken?.text}`);
      const cells = stepped === "moved" ? this.next.cells.slice(0, this.next.length) : without(state, this.#flightAt);
      cells[this.#budgetAt] = 0;
      state = { cells, length: cells.length };
    }
    throw new Error(`scenario ${this.scenario.name} cannot start led: member 1 wins no election`);
  }

  /** Sets the annals of the next state; what is broken, if anything. */
  #judge(next: Row, step: Step, from: Local, transition: Transition): Broken | undefined {
    const { to } = transition;
    if (to.log !== from.log) {
      const unmatched = this.#rules.unmatched(next, step.slot);
      if (unmatched !== undefined) return unmatched;
    }
    if (!transition.isForAnnals) return undefined;
    const before = next.cells[this.#annalsAt] as number;
    const after = this.annals.after(before, from, transition, step.choice);
    if (after.broken !== undefined) return { ...after.broken, text: `member ${step.slot + 1}: ${after.broken.text}` };
    if (after.number === before) return undefined;
    next.cells[this.#annalsAt] = after.number;
    const incomplete = this.#rules.incomplete(next, after.number);
    // What a disk that was emptied held is recovered from the others.
    if (incomplete !== undefined || this.scenario.budgets.wipes > 0) return incomplete;
    return this.#rules.undurable(next, { before, after: after.number });
  }

  /** What stays in flight, and what was sent, without what can never matter again. */
  #fly(state: Row, step: Step, sent: readonly number[]): void {
    const { next } = this;
    const { slot, message } = step;
    const local = next.cells[slot] as number;
    // A disk that may yet be emptied takes its member back to where it began.
    const keepsAll = used(next.cells[this.#budgetAt] as number, "wipes") < this.scenario.budgets.wipes;
    const isKept = (one: number): boolean =>
      keepsAll || this.messages.slotOf(one) !== slot || !this.#isOver(local, one);
    let position = state.length;
    if (message !== undefined) {
      position = this.#flightAt;
      while (state.cells[position] !== message) position += 1;
    }
    this.#flight.take(state, { start: this.#flightAt, position, isCopied: step.kind === "copy" }, next, isKept);
    for (let at = 0; at < sent.length; at++) {
      const fresh = sent[at] as number;
      if (!keepsAll && this.#isOver(next.cells[this.messages.slotOf(fresh)] as number, fresh)) continue;
      if (next.length === cellsMax) throw new Error(`scenario ${this.scenario.name}: too many messages are in flight`);
      this.#flight.send(next, this.#flightAt, fresh);
    }
  }

  /** Whether the same message stands before it, so that its delivery was tried. */
  #isRepeated(state: Row, at: number): boolean {
    for (let earlier = this.#flightAt; earlier < at; earlier++) {
      if (state.cells[earlier] === state.cells[at]) return true;
    }
    return false;
  }

  /** Every other member knows of a promise of that one. */
  #isRemembered(state: Row, slot: number): boolean {
    for (let other = 0; other < this.scenario.members; other++) {
      if (other !== slot && !this.locals.remembers(this.localAt(state, other), slot)) return false;
    }
    return true;
  }

  #isOver(local: number, message: number): boolean {
    let known = this.#over[local];
    if (known === undefined || message >= known.length) {
      const larger = new Uint8Array(Math.max(64, 2 * message));
      if (known !== undefined) larger.set(known);
      known = larger;
      this.#over[local] = known;
    }
    if (known[message] === 0) known[message] = isOver(this.locals.at(local), this.messages.at(message)) ? 2 : 1;
    return known[message] === 2;
  }
}

/** The state without its first message. */
function without(state: Row, flightAt: number): Int32Array {
  const cells = new Int32Array(state.length - 1);
  cells.set(state.cells.subarray(0, flightAt));
  cells.set(state.cells.subarray(flightAt + 1, state.length), flightAt);
  return cells;
}
