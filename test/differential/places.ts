/*
 * What a run knows of its target's own numbers: the newest revision, the compacted one, where each key was last seen,
 * which ids the server chose. Gives references their numbers, and numbers in answers their meaning, so that two servers
 * with different pasts can be compared.
 */
import type { Meaning, Plain, Reference } from "./messages.ts";

const revisionFields = new Set(["revision", "createRevision", "modRevision", "compactRevision", "hashRevision", "rev"]);
const leaseFields = new Set(["lease", "ID"]);

export class Places {
  /** The revision the sequence began with; history before it is compacted. */
  base = 0n;
  current = 0n;
  compacted = 0n;
  /** Ids of leases the server chose, in the order of their grants. */
  readonly granted: bigint[] = [];
  /** Ids of members, in the order in which they were added. */
  readonly added: bigint[] = [];
  readonly #keys = new Map<string, { mod: bigint; create: bigint }>();
  #keyInHand = "";
  #createInHand = 0n;

  readonly #target: { readonly memberIds: readonly bigint[] };

  constructor(target: { readonly memberIds: readonly bigint[] }) {
    this.#target = target;
  }

  /** They change when the target begins anew. */
  get memberIds(): readonly bigint[] {
    return this.#target.memberIds;
  }

  begin(revision: bigint): void {
    this.base = revision;
    this.current = revision;
    this.compacted = revision;
    this.granted.length = 0;
    this.added.length = 0;
    this.#keys.clear();
  }

  readonly resolve = (reference: Reference): bigint => {
    if ("current" in reference) return this.current + BigInt(reference.current);
    if ("compacted" in reference) return this.compacted + BigInt(reference.compacted);
    if ("base" in reference) return this.base + BigInt(reference.base);
    if ("modOf" in reference) return this.#keys.get(reference.modOf)?.mod ?? 0n;
    if ("createOf" in reference) return this.#keys.get(reference.createOf)?.create ?? 0n;
    if ("granted" in reference) return this.granted[reference.granted] ?? 77_777n;
    if ("added" in reference) return this.added[reference.added] ?? 88_888n;
    return this.memberIds[0] ?? 0n;
  };

  /** Meanings of the next answer; what it shows of revisions and keys is remembered. */
  readonly meaning: Meaning = {
    integer: (field, owner, value) => {
      this.#note(field, owner, value);
      return this.#integer(field, owner, value);
    },
    bytes: (value) => {
      this.#keyInHand = value;
      return this.#bytes(value);
    },
    text: (field, value) => this.#text(field, value),
  };
  /** The same without remembering: events come when they come, and must not teach one target what another learns later. */
  readonly meaningOfEvents: Meaning = {
    integer: (field, owner, value) => this.#integer(field, owner, value),
    bytes: (value) => this.#bytes(value),
    text: (field, value) => this.#text(field, value),
  };

  /** A put of that key was acknowledged at that revision. */
  notePut(key: string, revision: bigint): void {
    const known = this.#keys.get(key);
    this.#keys.set(key, { mod: revision, create: known?.create ?? revision });
  }

  #note(field: string, owner: string, value: bigint): void {
    if (owner === "ResponseHeader" && field === "revision" && value > this.current) this.current = value;
    if (owner === "KeyValue") this.#noteKeyValue(field, value);
  }

  #integer(field: string, owner: string, value: bigint): Plain {
    if (owner === "ResponseHeader") {
      if (field === "clusterId") return "cluster";
      if (field === "memberId") return this.memberIds.includes(value) ? "member" : value;
      if (field === "raftTerm") return "term";
    }
    if (revisionFields.has(field)) return value > 0n ? `+${value - this.base}` : value;
    if (field === "memberID" || (owner === "Member" && field === "ID") || field === "leader") {
      const position = this.added.indexOf(value);
      if (position >= 0) return `added ${position}`;
      return this.memberIds.includes(value) ? "member" : value;
    }
    if (leaseFields.has(field)) return this.#lease(value);
    return value;
  }

  #lease(value: bigint): Plain {
    const position = this.granted.indexOf(value);
    return position < 0 ? value : `granted ${position}`;
  }

  #noteKeyValue(field: string, value: bigint): void {
    if (field === "createRevision") this.#createInHand = value;
    if (field !== "modRevision") return;
    const known = this.#keys.get(this.#keyInHand);
    if (known === undefined || known.mod <= value) {
      this.#keys.set(this.#keyInHand, { mod: value, create: this.#createInHand });
    }
    this.#createInHand = 0n;
  }

  /** Keys of locks end with their lease's id. */
  #bytes(value: string): Plain {
    for (const [position, id] of this.granted.entries()) {
      const hex = id.toString(16);
      if (value.endsWith(`/${hex}`)) return `${value.slice(0, -hex.length)}{granted ${position}}`;
    }
    return value;
  }

  #text(field: string, value: string): Plain {
    if (field === "token") return "token";
    if (field === "version" || field === "storageVersion") return "version";
    if (field !== "errors") return value;
    let text = value;
    for (const id of this.memberIds) text = text.replace(`memberID:${id} `, "memberID:{member} ");
    return text;
  }
}
