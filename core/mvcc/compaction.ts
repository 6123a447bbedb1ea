/*
 * Forgetting history below a revision, in pieces. The target is recorded before the first piece (with the command that
 * asked for it) and again after the last, so a restart goes on where it matters: from the start of the scan, as pieces
 * already done left nothing to find. Readers never see how far it got: everything it drops lies below the compact
 * revision, which is refused from the moment of the command.
 *
 *   none ──start(R)──▶ pending(R) ──step … last step──▶ none, R recorded as finished
 *                        └──start(R′ > R)──▶ pending(R′), scan from the start
 *
 * Source: etcd v3 API, KV.Compact; meta keys scheduledCompactRev and finishedCompactRev.
 */
import { textOfBytes, utf8Encode } from "../bytes.ts";
import type { Backend } from "../ports.ts";
import { decodeKey } from "./key-value.ts";
import { encodeRevision, mainRevisionOf, subRevisionOf } from "./revision.ts";
import type { TreeIndex } from "./tree-index.ts";

const scheduledKey = utf8Encode("scheduledCompactRev");
const finishedKey = utf8Encode("finishedCompactRev");

export class Compaction {
  private readonly backend: Backend;
  private readonly index: TreeIndex;
  /** Main revision being compacted to; undefined when nothing is left to do. */
  private target: number | undefined = undefined;
  /** First stored revision the next piece looks at. */
  private cursor: Uint8Array = encodeRevision(0, 0, false);
  /** Highest revision whose old entries are gone from this backend; −1 when none was ever. */
  finishedRevision = -1;

  constructor(backend: Backend, index: TreeIndex) {
    this.backend = backend;
    this.index = index;
  }

  get isPending(): boolean {
    return this.target !== undefined;
  }

  /** Reads what the backend records and takes up what it left unfinished. Returns the compact revision, −1: never. */
  reload(): number {
    this.finishedRevision = this.recorded(finishedKey);
    const scheduled = this.recorded(scheduledKey);
    this.cursor = encodeRevision(0, 0, false);
    this.target = scheduled > this.finishedRevision ? scheduled : undefined;
    return Math.max(scheduled, this.finishedRevision);
  }

  /** Records the target; the work is done by {@link step}. The revision is above every earlier target. */
  start(revision: number): void {
    this.backend.put("meta", scheduledKey, encodeRevision(revision, 0, false));
    this.target = revision;
    this.cursor = encodeRevision(0, 0, false);
  }

  /** Looks at no more than so many stored revisions and drops those the compaction does not keep. */
  step(entriesMax: number): void {
    const target = this.target;
    if (target === undefined) return;
    const doomed: Uint8Array[] = [];
    let seen = 0;
    let last: Uint8Array | undefined;
    this.backend.scan("key", { from: this.cursor, to: encodeRevision(target + 1, 0, false) }, (key, value) => {
      if (!this.keeps(key, value, target)) doomed.push(key);
      last = key;
      seen += 1;
      return seen < entriesMax;
    });
    for (const key of doomed) this.backend.delete("key", key);
    if (last !== undefined && seen >= entriesMax) {
      this.cursor = encodeRevision(mainRevisionOf(last), subRevisionOf(last) + 1, false);
      return;
    }
    this.backend.put("meta", finishedKey, encodeRevision(target, 0, false));
    this.finishedRevision = target;
    this.target = undefined;
  }

  /** Decides over one stored revision, and lets the index forget what this compaction drops of that key. */
  private keeps(storedRevision: Uint8Array, value: Uint8Array, target: number): boolean {
    const text = textOfBytes(decodeKey(value));
    const key = this.index.get(text);
    if (key === undefined) return false;
    if (key.compact(target)) {
      this.index.remove(text);
      return false;
    }
    return key.keeps(target, mainRevisionOf(storedRevision), subRevisionOf(storedRevision));
  }

  private recorded(name: Uint8Array): number {
    const bytes = this.backend.get("meta", name);
    return bytes === undefined ? -1 : mainRevisionOf(bytes);
  }
}
