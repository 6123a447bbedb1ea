/*
 * What is certain about each key: what answered reads say of it at a revision, which answered writes overwrite it, and
 * how often it had been put. From that follows whether an unknown write may stand at a revision, must, or cannot. Where
 * that says little, what watches and serializable reads showed of the key, or did not show, says which is thought of
 * first; they may lie, and rule out nothing.
 */
import type { HistoryKeyValue, OperationAnswer } from "../history.ts";
import { firstIndex } from "./first-index.ts";
import { answerWrote, type CompactHistory, type Op, type Step, unreported } from "./operations.ts";

/** Something certain about one key, in the state right after `revision`. */
interface Pin {
  readonly revision: number;
  /** write: an answered write that leaves nothing of what was before. */
  readonly kind: "write" | "present" | "absent";
  /** Revision of the last change; {@link unreported} when not known. */
  readonly modRevision: number;
  /** undefined: not known. */
  readonly value: string | undefined;
  /** The operation whose answer says so. */
  readonly op: Op;
}
/** A key-value: its generation, and how many puts that had seen. */
interface Shown {
  readonly modRevision: number;
  readonly createRevision: number;
  readonly version: number;
}
/** Of an answer. */
interface Sight extends Shown {
  readonly op: Op;
}
/** Of a watch or a serializable read: the state right after the revision `at`. */
interface Glimpse extends Shown {
  readonly at: number;
}
interface KeyFacts {
  readonly pins: Pin[];
  readonly sights: Sight[];
  readonly glimpses: Glimpse[];
  /** Revisions at which a serializable read did not find it. */
  readonly misses: number[];
  /** Revisions of puts, answered or seen, and of answered deletes. */
  readonly puts: number[];
  readonly deletes: number[];
}

/** What a change of a key at some revision would mean for what is known of the key. */
export interface Outlook {
  /** 0: asked for until `due`; 1: silent, something overwrites it; 2: open; 3: spoken against. */
  readonly priority: number;
  readonly due: number;
}
export const openEnd = 0x7fff_ffff;
const open: Outlook = { priority: 2, due: openEnd };

export class KeyKnowledge {
  /** The answer that the last outlook rested on. */
  witness: Op | undefined;
  /** When the last outlook ruled a put out: up to this revision every other put of the key is out for the same reason. */
  ruledOutUpTo = 0;
  readonly #keys: readonly KeyFacts[];

  constructor(history: CompactHistory) {
    const keys = history.keys.map(
      (): KeyFacts => ({ pins: [], sights: [], glimpses: [], misses: [], puts: [], deletes: [] }),
    );
    this.#keys = keys;
    for (const op of history.ops) {
      if (op.role !== "ordered" || op.outcome !== "ok" || op.answer === undefined || op.revision < 0) continue;
      learn(keys, op, op.step, op.answer, op.revision, answerWrote(op.answer) === true);
    }
    learnFromListings(keys, history);
    learnFromWatches(keys, history);
    learnFromSerializable(keys, history);
    for (const facts of keys) {
      facts.glimpses.sort((a, b) => a.at - b.at);
      facts.misses.sort(ascending);
      facts.pins.sort(pinOrder);
      facts.sights.sort((a, b) => a.modRevision - b.modRevision);
      // Whatever was seen had been put, by whomever.
      for (const sight of facts.sights) facts.puts.push(sight.modRevision);
      sortUnique(facts.puts);
      facts.deletes.sort(ascending);
    }
  }

  /** Revision of the last answered write that overwrote the key, at or before `revision`; 0: none. */
  lastWrite(key: number, revision: number): number {
    const pins = this.#keys[key]?.pins ?? [];
    let at = firstIndex(pins, (pin) => pin.revision > revision);
    while (at > 0 && pins[at - 1]?.kind !== "write") at--;
    return pins[at - 1]?.revision ?? 0;
  }

  /**
   * @param after the key's record after the change; undefined: deleted
   * @returns undefined when an answer rules the change out, wherever the other unknown writes stand
   */
  outlook(key: number, revision: number, after: HistoryKeyValue | undefined): Outlook | undefined {
    const facts = this.#keys[key];
    if (facts === undefined) return open;
    const sight = facts.sights[firstIndex(facts.sights, (other) => other.modRevision >= revision)];
    let counted: Outlook | undefined;
    if (sight !== undefined) {
      this.witness = sight.op;
      // At the very revision of the sight a put is the one that was counted.
      this.ruledOutUpTo = sight.createRevision > revision ? revision : sight.modRevision - 1;
      counted = after === undefined ? afterDelete(facts, sight, revision) : afterPut(facts, sight, revision, after);
      if (counted === undefined) return undefined;
    }
    const pin = facts.pins[firstIndex(facts.pins, (other) => other.revision >= revision)];
    const pinned = pin === undefined ? open : this.#fromPin(pin, revision, after);
    if (pinned === undefined) return undefined;
    // An answer that shows the key is nearer than the next count of its puts; a write behind it is indifferent.
    const certain =
      counted !== undefined && says(counted) && !(says(pinned) && pinned.due <= counted.due) ? counted : pinned;
    const hint = glimpsed(facts, revision, after);
    return hint === undefined || (says(certain) && certain.due <= hint.due) ? certain : hint;
  }

  #fromPin(pin: Pin, revision: number, after: HistoryKeyValue | undefined): Outlook | undefined {
    this.witness = pin.op;
    this.ruledOutUpTo = pin.revision;
    const due = pin.revision;
    switch (pin.kind) {
      case "write":
        return { priority: 1, due };
      case "absent":
        return { priority: after === undefined ? 0 : 3, due };
      case "present":
        if (pin.modRevision !== unreported) {
          if (pin.modRevision < revision) return undefined;
          if (pin.modRevision > revision) return { priority: 2, due };
          return after === undefined ? undefined : { priority: 0, due };
        }
        // It has to be there, whatever its value: asked for if this put is what brings it back.
        if (pin.value === undefined) return { priority: after === undefined ? 3 : after.version === 1 ? 0 : 1, due };
        return { priority: pin.value === after?.value ? 0 : 3, due };
    }
  }
}

/** Asked for, or spoken against. */
const says = (outlook: Outlook): boolean => outlook.priority === 0 || outlook.priority === 3;

/** What was shown next of the key, or that it was not there; undefined: that says nothing of such a change. */
function glimpsed(facts: KeyFacts, revision: number, after: HistoryKeyValue | undefined): Outlook | undefined {
  const { glimpses, misses } = facts;
  const glimpse = glimpses[firstIndex(glimpses, (other) => other.at >= revision)];
  const missed = misses[firstIndex(misses, (other) => other >= revision)];
  if (missed !== undefined && (glimpse === undefined || missed < glimpse.at))
    return missedAfter(facts, revision, after, missed);
  if (glimpse === undefined) return undefined;
  const { at: due, modRevision } = glimpse;
  if (modRevision < revision) return { priority: 3, due };
  const told = after === undefined ? afterDelete(facts, glimpse, revision) : afterPut(facts, glimpse, revision, after);
  if (told === undefined) return { priority: 3, due };
  return says(told) ? told : undefined;
}

/** At `missed` the key is gone: by an end that is known, or else by this one. */
function missedAfter(
  facts: KeyFacts,
  revision: number,
  after: HistoryKeyValue | undefined,
  missed: number,
): Outlook | undefined {
  if (countBetween(facts.deletes, revision + 1, missed) > 0) return undefined;
  if (after !== undefined) return { priority: 3, due: missed };
  return countBetween(facts.puts, revision + 1, missed) > 0 ? undefined : { priority: 0, due: missed };
}

/** The next sight of the key counts the puts of its generation: exactly so many must have happened by then. */
function afterPut(facts: KeyFacts, sight: Shown, revision: number, after: HistoryKeyValue): Outlook | undefined {
  if (sight.createRevision > revision) {
    // The next generation begins behind an end: one that was answered, or else this put is one too many.
    const ended = countBetween(facts.deletes, revision + 1, sight.createRevision) > 0;
    return { priority: ended ? 1 : 3, due: sight.createRevision };
  }
  if (after.createRevision !== sight.createRevision) return undefined;
  const known = countBetween(facts.puts, revision + 1, sight.modRevision);
  return after.version + known > sight.version ? undefined : { priority: 0, due: sight.modRevision };
}

/** A generation that the next sight shows to have begun before cannot end here; one that begins later needs an end. */
function afterDelete(facts: KeyFacts, sight: Shown, revision: number): Outlook | undefined {
  if (sight.createRevision <= revision) return undefined;
  const known = countBetween(facts.deletes, revision + 1, sight.createRevision);
  return known > 0 ? { priority: 1, due: sight.createRevision } : { priority: 0, due: sight.createRevision };
}

function countBetween(sorted: readonly number[], from: number, upTo: number): number {
  return firstIndex(sorted, (value) => value > upTo) - firstIndex(sorted, (value) => value >= from);
}

function sortUnique(values: number[]): void {
  values.sort(ascending);
  let kept = 0;
  for (const value of values) {
    if (kept > 0 && values[kept - 1] === value) continue;
    values[kept++] = value;
  }
  values.length = kept;
}

const ascending = (a: number, b: number): number => a - b;
/** Of one revision the write comes first: what is known of its state comes behind it. */
const pinOrder = (a: Pin, b: Pin): number =>
  a.revision - b.revision || (a.kind === "write" ? 0 : 1) - (b.kind === "write" ? 0 : 1);

/**
 * A read of several keys that shows all there is says of each key what a read of that key would, of those that are
 * missing too. The latest first, and no more than so many keys: what is read often says little new.
 */
function learnFromListings(keys: readonly KeyFacts[], { ops, keys: names }: CompactHistory): void {
  let keysLeft = listedKeysMax;
  for (let position = ops.length - 1; position >= 0; position--) {
    const op = ops[position] as Op;
    if (op.role !== "ordered" || op.outcome !== "ok" || op.revision < 0) continue;
    for (const { step, answer, revision } of statesShown(op)) {
      if (step.high <= step.low + 1 || !isWholeListing(step)) continue;
      keysLeft -= step.high - step.low;
      if (keysLeft < 0) return;
      eachListed(step, answer, names, (key, row) => see(keys[key] as KeyFacts, op, revision, row, true));
    }
  }
}
const listedKeysMax = 1_000_000;

function learnFromWatches(keys: readonly KeyFacts[], { watches, keyNumbers }: CompactHistory): void {
  for (const { replies } of watches) {
    for (const { reply } of replies) {
      for (const { kv, prevKv } of reply.events) {
        const facts = keys[keyNumbers.get(kv.key) ?? -1];
        glimpse(facts, kv, kv.modRevision);
        if (prevKv !== undefined) glimpse(facts, prevKv, kv.modRevision - 1);
      }
    }
  }
}

/** Whole listings of the present state; as many keys as of listings that are certain. */
function learnFromSerializable(keys: readonly KeyFacts[], { ops, keys: names }: CompactHistory): void {
  let keysLeft = listedKeysMax;
  for (const { role, outcome, revision, step, answer } of ops) {
    if (role !== "read" || outcome !== "ok" || revision < 0 || answer?.op !== "range") continue;
    if (!isWholeListing(step)) continue;
    keysLeft -= step.high - step.low;
    if (keysLeft < 0) return;
    eachListed(step, answer, names, (key, row) => {
      if (row === undefined) keys[key]?.misses.push(revision);
      else glimpse(keys[key], row, revision);
    });
  }
}

/** Visits each key of a whole listing, with its row; undefined: it is not there. */
function eachListed(
  { low, high }: Step,
  { kvs }: OperationAnswer & { readonly op: "range" },
  names: readonly string[],
  visit: (key: number, row: HistoryKeyValue | undefined) => void,
): void {
  const shown = new Map(kvs.map((row) => [row.key, row]));
  for (let key = low; key < high; key++) visit(key, shown.get(names[key] as string));
}

/** Of the present state, with all there is, and all that is known of it. */
function isWholeListing({ source, revision }: Step): boolean {
  if (source.op !== "range" || revision > 0) return false;
  return !source.limit && source.countOnly !== true && source.keysOnly !== true;
}

function glimpse(facts: KeyFacts | undefined, kv: HistoryKeyValue, at: number): void {
  if (kv.version <= 0 || kv.modRevision <= 0 || kv.createRevision <= 0) return;
  const { modRevision, createRevision, version } = kv;
  facts?.glimpses.push({ modRevision, createRevision, version, at });
}

/** @param revision header of the operation: state behind it; @param wrote the operation made that revision */
function learn(
  keys: readonly KeyFacts[],
  op: Op,
  step: Step,
  answer: OperationAnswer,
  revision: number,
  wrote: boolean,
): void {
  const facts = step.high === step.low + 1 ? keys[step.low] : undefined;
  switch (answer.op) {
    case "range":
      if (facts === undefined || step.source.op !== "range" || step.source.countOnly === true) return;
      if (step.revision > revision || answer.kvs.length > 1) return;
      see(facts, op, step.revision > 0 ? step.revision : revision, answer.kvs[0], step.source.keysOnly !== true);
      return;
    case "put":
      if (facts === undefined) return;
      if (step.source.op === "put" && step.source.prevKv === true) see(facts, op, revision - 1, answer.prevKv, true);
      overwrite(facts, op, revision, true);
      return;
    case "deleteRange":
      if (facts === undefined) return;
      if (answer.deleted === 0) {
        see(facts, op, revision, undefined, true);
        return;
      }
      if (answer.prevKvs?.[0] !== undefined) see(facts, op, revision - 1, answer.prevKvs[0], true);
      else pin(facts, op, revision - 1, "present");
      overwrite(facts, op, revision, false);
      return;
    case "txn":
      if (step.txn === undefined || step.txn.nested) return;
      if (answer.succeeded) learnCompares(keys, op, step.txn, wrote ? revision - 1 : revision);
      learnBranch(keys, op, answer.succeeded ? step.txn.success : step.txn.failure, answer, revision);
      return;
    default:
      return;
  }
}

function learnCompares(keys: readonly KeyFacts[], op: Op, txn: NonNullable<Step["txn"]>, before: number): void {
  for (const { low, high, source } of txn.compares) {
    const facts = high === low + 1 ? keys[low] : undefined;
    if (facts === undefined || source.result !== "equal" || source.target === "lease") continue;
    if (source.target === "value") pin(facts, op, before, "present", unreported, String(source.operand));
    else if (Number(source.operand) === 0) pin(facts, op, before, "absent");
    else if (source.target === "mod") pin(facts, op, before, "present", Number(source.operand));
  }
}

/** What an operation reads of a state that a revision left: its own, or the one before. */
interface StateShown {
  readonly step: Step;
  readonly answer: OperationAnswer & { readonly op: "range" };
  readonly revision: number;
}

function statesShown({ step, answer, revision }: Op): readonly StateShown[] {
  if (answer?.op === "range") return [{ step, answer, revision }];
  if (answer?.op !== "txn" || step.txn === undefined) return [];
  return statesOfBranch(answer.succeeded ? step.txn.success : step.txn.failure, answer, revision);
}

/** A read before everything that its branch writes, or behind it. */
function statesOfBranch(
  branch: readonly Step[],
  answer: OperationAnswer & { readonly op: "txn" },
  revision: number,
): StateShown[] {
  const first = branch.findIndex(({ kind }) => kind !== "range");
  const last = branch.findLastIndex(({ kind }) => kind !== "range");
  const before = answerWrote(answer) === true ? revision - 1 : revision;
  const shown: StateShown[] = [];
  for (let position = 0; position < branch.length; position++) {
    const response = answer.responses[position];
    if (response?.op !== "range" || (first <= position && position <= last)) continue;
    const isBefore = first < 0 || position < first;
    shown.push({ step: branch[position] as Step, answer: response, revision: isBefore ? before : revision });
  }
  return shown;
}

function learnBranch(
  keys: readonly KeyFacts[],
  op: Op,
  branch: readonly Step[],
  answer: OperationAnswer & { readonly op: "txn" },
  revision: number,
): void {
  for (const shown of statesOfBranch(branch, answer, revision))
    learn(keys, op, shown.step, shown.answer, shown.revision, false);
  for (let position = 0; position < branch.length; position++) {
    const inner = branch[position] as Step;
    const response = answer.responses[position];
    const facts = inner.high === inner.low + 1 ? keys[inner.low] : undefined;
    if (response === undefined || facts === undefined) continue;
    if (inner.kind === "put") overwrite(facts, op, revision, true);
    if (inner.kind === "delete" && response.op === "deleteRange" && response.deleted > 0) {
      overwrite(facts, op, revision, false);
    }
  }
}

function see(facts: KeyFacts, op: Op, revision: number, kv: HistoryKeyValue | undefined, whole: boolean): void {
  if (kv === undefined) {
    pin(facts, op, revision, "absent");
    return;
  }
  pin(facts, op, revision, "present", kv.modRevision, whole ? kv.value : undefined);
  if (kv.version <= 0 || kv.modRevision <= 0 || kv.createRevision <= 0) return;
  const { modRevision, createRevision, version } = kv;
  facts.sights.push({ modRevision, createRevision, version, op });
}

function overwrite(facts: KeyFacts, op: Op, revision: number, put: boolean): void {
  pin(facts, op, revision, "write");
  (put ? facts.puts : facts.deletes).push(revision);
}

function pin(
  facts: KeyFacts,
  op: Op,
  revision: number,
  kind: Pin["kind"],
  modRevision: number = unreported,
  value?: string,
): void {
  facts.pins.push({ revision, kind, modRevision, value, op });
}
