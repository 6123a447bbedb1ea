/*
 * Who belongs to the cluster, as the replicated state knows it: one record a member in bucket `members`, in id order.
 * A cluster starts with the members it was given at bootstrap; each makes its own name and client addresses known by a
 * replicated command before it serves. Who votes is the log's business, not this page's.
 * Stored form: key = hex id, value = etcd's JSON, whose id is a bare number that JSON.parse would round: it is written by
 * hand and read from the key. Source: etcd v3 API, Cluster; etcd's backend contents, bucket members.
 */
import { assert } from "../assert.ts";
import { utf8Decode, utf8Encode } from "../bytes.ts";
import { compareIds, hexOf, type MemberId, memberIdOf } from "../ids.ts";
import type { Backend } from "../ports.ts";
import type { MemberRecord } from "../request.ts";

export class Membership {
  private readonly backend: Backend;
  /** In id order. */
  private known: readonly MemberRecord[] = [];

  /** Empty until {@link reload}. */
  constructor(backend: Backend) {
    this.backend = backend;
  }

  reload(): void {
    const records: MemberRecord[] = [];
    this.backend.scan("members", { from: new Uint8Array(1), to: undefined }, (key, value) => {
      records.push(decodeMember(key, value));
      return true;
    });
    this.known = records.sort(compareMembers);
  }

  /** Members in id order. */
  get records(): readonly MemberRecord[] {
    return this.known;
  }

  get(memberId: MemberId): MemberRecord | undefined {
    return this.known.find((record) => record.memberId === memberId);
  }

  /** Writes the members a new cluster starts with; there are none yet. */
  bootstrap(records: readonly MemberRecord[]): void {
    assert(this.known.length === 0, "a cluster is bootstrapped once");
    for (const record of records) this.store(record);
    this.known = [...records].sort(compareMembers);
  }

  /** Name and client addresses of a member, as it made them known; false when it does not belong. */
  publish(memberId: MemberId, attributes: { readonly name: string; readonly clientUrls: readonly string[] }): boolean {
    const record = this.get(memberId);
    if (record === undefined) return false;
    const published: MemberRecord = { ...record, name: attributes.name, clientUrls: attributes.clientUrls };
    this.store(published);
    this.known = this.known.map((other) => (other.memberId === memberId ? published : other));
    return true;
  }

  private store(record: MemberRecord): void {
    this.backend.put("members", utf8Encode(hexOf(record.memberId)), encodeMember(record));
  }
}

const compareMembers = (a: MemberRecord, b: MemberRecord): number => compareIds(a.memberId, b.memberId);

function encodeMember(record: MemberRecord): Uint8Array {
  const fields = [`"id":${BigInt.asUintN(64, record.memberId)}`, `"peerURLs":${JSON.stringify(record.peerUrls)}`];
  if (record.isLearner) fields.push(`"isLearner":true`);
  if (record.name !== "") fields.push(`"name":${JSON.stringify(record.name)}`);
  if (record.clientUrls.length > 0) fields.push(`"clientURLs":${JSON.stringify(record.clientUrls)}`);
  return utf8Encode(`{${fields.join(",")}}`);
}

function decodeMember(key: Uint8Array, value: Uint8Array): MemberRecord {
  const fields: unknown = JSON.parse(utf8Decode(value));
  assert(typeof fields === "object" && fields !== null, "a stored member is a JSON object");
  const stored: { peerURLs?: unknown; isLearner?: unknown; name?: unknown; clientURLs?: unknown } = fields;
  return {
    memberId: memberIdOf(BigInt(`0x${utf8Decode(key)}`)),
    name: typeof stored.name === "string" ? stored.name : "",
    peerUrls: textsOf(stored.peerURLs),
    clientUrls: textsOf(stored.clientURLs),
    isLearner: stored.isLearner === true,
  };
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
