/*
 * What one client has seen of the store, and the placeholders of a plan filled from it. Knowledge may be out of date:
 * a compare against it then fails, which is as good a test as one that succeeds.
 */
import { unreachable } from "../../core/index.ts";
import type { CompareOperation, HistoryKeyValue, KvOperation, Operation, OperationAnswer } from "../history.ts";
import type { LastSeen, PlannedCompare, PlannedKvOperation, PlannedOperation } from "../plan.ts";

interface Seen {
  /** Header revision this was seen at; older sights do not replace it. */
  readonly atRevision: number;
  /** 0 when absent. */
  readonly modRevision: number;
  readonly version: number;
  readonly value: string;
}
const absentAt = (atRevision: number): Seen => ({ atRevision, modRevision: 0, version: 0, value: "" });
const neverSeen = absentAt(0);

export class Knowledge {
  #newestRevision = 0;
  readonly #keys = new Map<string, Seen>();

  /** Highest header revision of any answer so far; 0 before the first. */
  get newestRevision(): number {
    return this.#newestRevision;
  }

  // ---- filling in ----------------------------------------------------------------------------------------------

  /** The operation with its placeholders filled in. Revisions never come out below 1. */
  resolve(planned: PlannedOperation): Operation {
    switch (planned.op) {
      case "compact":
        return planned.physical === true
          ? { op: "compact", revision: this.#back(planned.revisionBack), physical: true }
          : { op: "compact", revision: this.#back(planned.revisionBack) };
      case "range":
      case "put":
      case "deleteRange":
      case "txn":
        return this.#resolveKv(planned);
      default:
        return planned;
    }
  }

  #resolveKv(planned: PlannedKvOperation): KvOperation {
    switch (planned.op) {
      case "range": {
        if (!("revisionBack" in planned)) return planned;
        const { revisionBack, ...range } = planned;
        return { ...range, revision: this.#back(revisionBack) };
      }
      case "txn":
        return {
          op: "txn",
          compares: planned.compares.map((compare) => this.#resolveCompare(compare)),
          success: planned.success.map((inner) => this.#resolveKv(inner)),
          failure: planned.failure.map((inner) => this.#resolveKv(inner)),
        };
      default:
        return planned;
    }
  }

  #resolveCompare(planned: PlannedCompare): CompareOperation {
    const { target, result, key, rangeEnd } = planned;
    const operand = typeof planned.operand === "object" ? this.#lastSeen(key, planned.operand) : planned.operand;
    return rangeEnd === undefined ? { target, result, key, operand } : { target, result, key, rangeEnd, operand };
  }

  #lastSeen(key: string, what: LastSeen): number | string {
    const seen = this.#keys.get(key) ?? neverSeen;
    switch (what.lastSeen) {
      case "mod":
        return seen.modRevision;
      case "version":
        return seen.version;
      case "value":
        return seen.value;
      default:
        return unreachable(what.lastSeen);
    }
  }

  #back(revisions: number): number {
    return Math.max(1, this.#newestRevision - revisions);
  }

  // ---- learning ------------------------------------------------------------------------------------------------

  /** Learns from an accepted answer with that header revision. */
  learn(operation: Operation, answer: OperationAnswer, revision: number): void {
    if (revision > this.#newestRevision) this.#newestRevision = revision;
    this.#learnAnswer(operation, answer, revision);
  }

  #learnAnswer(operation: Operation, answer: OperationAnswer, revision: number): void {
    if (operation.op === "put") {
      const before = this.#keys.get(operation.key) ?? neverSeen;
      const { key, value } = operation;
      this.#see(key, { atRevision: revision, modRevision: revision, version: before.version + 1, value });
    } else if (operation.op === "deleteRange" && operation.rangeEnd === undefined) {
      this.#see(operation.key, absentAt(revision));
    } else if (operation.op === "range" && answer.op === "range" && operation.revision === undefined) {
      for (const keyValue of answer.kvs) this.#seePair(keyValue, revision, operation.keysOnly === true);
      const absent = answer.kvs.length === 0 && operation.countOnly !== true && operation.rangeEnd === undefined;
      if (absent) this.#see(operation.key, absentAt(revision));
    } else if (operation.op === "txn" && answer.op === "txn") {
      const branch = answer.succeeded ? operation.success : operation.failure;
      for (const [position, inner] of branch.entries()) {
        const body = answer.responses[position];
        if (body !== undefined) this.#learnAnswer(inner, body, revision);
      }
    }
  }

  #seePair(keyValue: HistoryKeyValue, revision: number, keysOnly: boolean): void {
    const { key, modRevision, version } = keyValue;
    const before = this.#keys.get(key);
    const value = !keysOnly ? keyValue.value : before?.modRevision === modRevision ? before.value : "";
    this.#see(key, { atRevision: revision, modRevision, version, value });
  }

  #see(key: string, seen: Seen): void {
    const before = this.#keys.get(key);
    if (before === undefined || before.atRevision <= seen.atRevision) this.#keys.set(key, seen);
  }
}
