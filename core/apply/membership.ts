/*
 * Who belongs to the cluster, as the replicated state knows it: one record a member in bucket `members`, in id order.
 * A cluster starts with the members it was founded with; from then on entries of kind "configuration" add, remove,
 * change and promote them, and take effect when they are applied. Who was removed is remembered for ever, in bucket
 * `membersRemoved`. Each member makes its own name and client addresses known by a replicated command before it serves.
 * Stored form: key = hex id, value = etcd's JSON, whose id is a bare number that JSON.parse would round: it is written by
 * hand and read from the key. `wasVoter` is not etcd's, which demotes nobody. Source: etcd v3 API, Cluster; etcd's backend
 * contents, bucket members.
 */
import { assert, unreachable } from "../assert.ts";
import { utf8Decode, utf8Encode } from "../bytes.ts";
import type { RefusalName } from "../errors.ts";
import { compareIds, hexOf, type MemberId, memberIdOf } from "../ids.ts";
import type { Backend } from "../ports.ts";
import type { Configuration } from "../raft/message.ts";
import type { Answer, MemberRecord } from "../request.ts";
import type { ConfigurationRequest, ReconfigureCommand } from "./command.ts";
import { afterChange, decodeJoint, encodeJoint, type Joint, jointKey, refusalOfReconfigure } from "./joint.ts";

export class Membership {
  private readonly backend: Backend;
  /** In id order. */
  private known: readonly MemberRecord[] = [];
  private readonly removed = new Set<MemberId>();
  /** Present while the old voters still decide along with the new ones. */
  private joint: Joint | undefined;

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
    this.removed.clear();
    this.backend.scan("membersRemoved", { from: new Uint8Array(1), to: undefined }, (key) => {
      this.removed.add(memberIdOf(BigInt(`0x${utf8Decode(key)}`)));
      return true;
    });
    const joint = this.backend.get("cluster", jointKey);
    this.joint = joint === undefined ? undefined : decodeJoint(joint);
  }

  /** Who votes and who learns, for Raft. */
  get configuration(): Configuration {
    const leaving = this.joint?.leaving ?? [];
    const staying = this.known.filter((record) => !leaving.includes(record.memberId));
    const voters = staying.filter((record) => !record.isLearner).map((record) => record.memberId);
    const learners = staying.filter((record) => record.isLearner).map((record) => record.memberId);
    return { voters, outgoing: this.joint?.outgoing ?? [], learners };
  }

  /** Belonged once and never will again. */
  isRemoved(memberId: MemberId): boolean {
    return this.removed.has(memberId);
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

  /** Carries out one change; a refused one leaves everything as it was. */
  apply(request: ConfigurationRequest): { ok: true; answer: Answer } | { ok: false; refusal: RefusalName } {
    const refusal = this.refusalOf(request);
    if (refusal !== undefined) return { ok: false, refusal };
    if (request.type === "memberReconfigure") return this.enter(request);
    if (request.type === "leaveJoint") return this.leave();
    const { memberId } = request;
    switch (request.type) {
      case "memberAdd": {
        const { peerUrls, isLearner } = request;
        const member: MemberRecord = { memberId, name: "", peerUrls, clientUrls: [], isLearner };
        this.store(member);
        this.known = [...this.known, member].sort(compareMembers);
        return { ok: true, answer: { type: "memberAdd", member, members: this.known } };
      }
      case "memberRemove": {
        this.remove(memberId);
        return { ok: true, answer: { type: "memberRemove", members: this.known } };
      }
      case "memberUpdate":
        this.change(memberId, { peerUrls: request.peerUrls });
        return { ok: true, answer: { type: "memberUpdate", members: this.known } };
      case "memberPromote":
        this.change(memberId, { isLearner: false });
        return { ok: true, answer: { type: "memberPromote", members: this.known } };
      default:
        return unreachable(request);
    }
  }

  /** What the member list has against the change, in etcd's order; also asked before it is proposed. */
  refusalOf(request: ConfigurationRequest): RefusalName | undefined {
    if (request.type === "leaveJoint") return undefined;
    if (this.joint !== undefined && request.type !== "memberUpdate") return "changeUnderWay";
    if (request.type === "memberReconfigure") {
      return refusalOfReconfigure(this.known, request, (id) => this.removed.has(id));
    }
    const { memberId } = request;
    if (this.removed.has(memberId)) return "memberNotFound";
    const known = this.get(memberId);
    if (request.type === "memberAdd") {
      if (known !== undefined) return "memberExists";
      if (this.isUrlTaken(request.peerUrls, memberId)) return "peerUrlExists";
      const learners = this.known.filter((record) => record.isLearner).length;
      return request.isLearner && learners >= request.learnersMax ? "tooManyLearners" : undefined;
    }
    if (known === undefined) return "memberNotFound";
    if (request.type === "memberUpdate" && this.isUrlTaken(request.peerUrls, memberId)) return "peerUrlExists";
    if (request.type === "memberPromote" && !known.isLearner) return "memberNotLearner";
    // A cluster without voters could never decide anything again.
    if (request.type === "memberRemove" && !known.isLearner && this.configuration.voters.length === 1)
      return "notEnoughStarted";
    return undefined;
  }

  /** Where no voter comes or goes there is nothing to be joint about. */
  private enter(request: ReconfigureCommand): { ok: true; answer: Answer } {
    const outgoing = this.configuration.voters;
    const { records, leaving } = afterChange(this.known, request);
    for (const record of records) this.store(record);
    this.known = records;
    this.joint = { outgoing, leaving };
    const { voters } = this.configuration;
    if (voters.length === outgoing.length && voters.every((id) => outgoing.includes(id))) this.leave();
    else this.backend.put("cluster", jointKey, encodeJoint(this.joint));
    return { ok: true, answer: { type: "memberReconfigure", members: this.known } };
  }

  /** A second word to leave finds nothing to do. */
  private leave(): { ok: true; answer: Answer } {
    for (const memberId of this.joint?.leaving ?? []) this.remove(memberId);
    this.joint = undefined;
    this.backend.delete("cluster", jointKey);
    return { ok: true, answer: { type: "memberReconfigure", members: this.known } };
  }

  private remove(memberId: MemberId): void {
    const key = utf8Encode(hexOf(memberId));
    this.backend.delete("members", key);
    this.backend.put("membersRemoved", key, utf8Encode("removed"));
    this.removed.add(memberId);
    this.known = this.known.filter((record) => record.memberId !== memberId);
  }

  private isUrlTaken(urls: readonly string[], exceptBy: MemberId): boolean {
    return this.known.some(
      (record) => record.memberId !== exceptBy && record.peerUrls.some((url) => urls.includes(url)),
    );
  }

  private change(memberId: MemberId, changes: Partial<MemberRecord>): void {
    this.known = this.known.map((record) => {
      if (record.memberId !== memberId) return record;
      const changed = { ...record, ...changes };
      this.store(changed);
      return changed;
    });
  }

  private store(record: MemberRecord): void {
    this.backend.put("members", utf8Encode(hexOf(record.memberId)), encodeMember(record));
  }
}

const compareMembers = (a: MemberRecord, b: MemberRecord): number => compareIds(a.memberId, b.memberId);

function encodeMember(record: MemberRecord): Uint8Array {
  const fields = [`"id":${BigInt.asUintN(64, record.memberId)}`, `"peerURLs":${JSON.stringify(record.peerUrls)}`];
  if (record.isLearner) fields.push(`"isLearner":true`);
  if (record.wasVoter === true) fields.push(`"wasVoter":true`);
  if (record.name !== "") fields.push(`"name":${JSON.stringify(record.name)}`);
  if (record.clientUrls.length > 0) fields.push(`"clientURLs":${JSON.stringify(record.clientUrls)}`);
  return utf8Encode(`{${fields.join(",")}}`);
}

function decodeMember(key: Uint8Array, value: Uint8Array): MemberRecord {
  const fields: unknown = JSON.parse(utf8Decode(value));
  assert(typeof fields === "object" && fields !== null, "a stored member is a JSON object");
  const stored: { [name in "peerURLs" | "isLearner" | "wasVoter" | "name" | "clientURLs"]?: unknown } = fields;
  return {
    memberId: memberIdOf(BigInt(`0x${utf8Decode(key)}`)),
    name: typeof stored.name === "string" ? stored.name : "",
    peerUrls: textsOf(stored.peerURLs),
    clientUrls: textsOf(stored.clientURLs),
    isLearner: stored.isLearner === true,
    ...(stored.wasVoter === true ? { wasVoter: true } : {}),
  };
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
