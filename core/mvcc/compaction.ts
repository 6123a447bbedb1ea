/*
 * Forgetting history below a revision, in pieces. The target is recorded before the first piece (with the command that
 * asked for it) and again after the last, so a restart goes on where it matters: from the start of the scan, as pieces
 * already done left nothing to find. Readers never see how far it got: everything it drops lies below the compact
 * revision, which is refused from the moment of the command.
 *
 *   none ──start(R)──▶ pending(R) ──step … last step──▶ none, R recorded as finished
 *                        └──start(R′ > R)──▶ pending(R′), scan from the start
 *
 * Where it is asked for, the work also hashes what it keeps. That is the same on every member, whenever it works and
 * however often it has to begin again, so members may compare it.
 *
 * Source: etcd v3 API, KV.Compact; meta keys scheduledCompactRev and finishedCompactRev.
 */
import { utf8Encode } from "../bytes.ts";
import { crc32c } from "../crc32c.ts";
import type { Backend } from "../ports.ts";
import type { CompactionHash } from "./hash.ts";
import { decodeKeyText } from "./key-value.ts";
import { encodeRevision, mainRevisionOf, subRevisionOf } from "./revision.ts";
import type { TreeIndex } from "./tree-index.ts";

const scheduledKey = utf8Encode("scheduledCompactRev");
const finishedKey = utf8Encode("finishedCompactRev");

/** Hashes remembered; the oldest goes first. */
const hashesMax = 10;

export class Compaction {
  private readonly backend: Backend;
  private readonly index: TreeIndex;
  /** Main revision being compacted to; undefined when nothing is left to do. */
  private target: number | undefined = undefined;
  /** First stored revision the next piece looks at. */
  private cursor: Uint8Array = encodeRevision(0, 0, false);
  /** Highest revision whose old entries are gone from this backend; −1 when none was ever. */
  finishedRevision = -1;
  /** For metrics; see counts.ts. */
  readonly counts = { pieces: 0, entries: 0 };
  private readonly hashes: CompactionHash[] | undefined;
  /** CRC-32C over what the pieces so far kept. */
  private crc = 0;

  /** @param options.hashing whether to hash what is kept */
  constructor(backend: Backend, index: TreeIndex, options: { readonly hashing: boolean }) {
    this.backend = backend;
    this.index = index;
    this.hashes = options.hashing ? [] : undefined;
  }

  /** Of the last compactions finished in this life, oldest first. */
  get recentHashes(): readonly CompactionHash[] {
    return this.hashes ?? [];
  }

  get isPending(): boolean {
    return this.target !== undefined;
  }

  /** Reads what the backend records and takes up what it left unfinished. Returns the compact revision, −1: never. */
  reload(): number {
    this.finishedRevision = this.recorded(finishedKey);
    const scheduled = this.recorded(scheduledKey);
    this.rewind();
    this.target = scheduled > this.finishedRevision ? scheduled : undefined;
    return Math.max(scheduled, this.finishedRevision);
  }

  /** Records the target; the work is done by {@link step}. The revision is above every earlier target. */
  start(revision: number): void {
    this.backend.put("meta", scheduledKey, encodeRevision(revision, 0, false));
    this.target = revision;
    this.rewind();
  }

  /** Looks at no more than so many stored revisions and drops those the compaction does not keep. */
  step(entriesMax: number): void {
    const target = this.target;
    if (target === undefined) return;
    const doomed: Uint8Array[] = [];
    let seen = 0;
    let next: Uint8Array | undefined;
    this.backend.scanLent("key", { from: this.cursor, to: encodeRevision(target + 1, 0, false) }, (key, value) => {
      if (!this.keeps(key, value, target)) doomed.push(key.slice());
      else if (this.hashes !== undefined) this.crc = crc32c(value, crc32c(key, this.crc));
      seen += 1;
      if (seen < entriesMax) return true;
      next = encodeRevision(mainRevisionOf(key), subRevisionOf(key) + 1, false);
      return false;
    });
    for (const key of doomed) this.backend.delete("key", key);
    this.counts.pieces += 1;
    this.counts.entries += doomed.length;
    if (next !== undefined) {
      this.cursor = next;
      return;
    }
    this.backend.put("meta", finishedKey, encodeRevision(target, 0, false));
    this.finishedRevision = target;
    this.target = undefined;
    if (this.hashes === undefined) return;
    this.hashes.push({ revision: target, hash: this.crc });
    if (this.hashes.length > hashesMax) this.hashes.shift();
  }

  private rewind(): void {
    this.cursor = encodeRevision(0, 0, false);
    this.crc = 0;
  }

  /** Decides over one stored revision, and lets the index forget what this compaction drops of that key. */
  private keeps(storedRevision: Uint8Array, value: Uint8Array, target: number): boolean {
    const text = decodeKeyText(value);
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
