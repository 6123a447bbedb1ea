/*
 * 64-bit hash over every event of a run, in two 32-bit lanes of integer arithmetic: the same on every engine, cheap
 * enough for each event. It tells two runs apart; it is no protection against somebody who wants a collision.
 */
import { describeConfiguration, type Entry, type PeerMessage } from "../core/index.ts";
import { hashName } from "./random.ts";

const twoTo32 = 4_294_967_296;

export class Digest {
  #low = 0x243f6a88;
  #high = 0x13198a2e;

  /** Adds a whole number; beyond 32 bits both halves count. */
  add(value: number): void {
    const word = value | 0;
    this.#mix(word);
    if (word !== value) this.#mix(Math.floor(value / twoTo32));
  }

  addBytes(bytes: Uint8Array): void {
    const length = bytes.length;
    let low = this.#low;
    let high = this.#high;
    for (let position = 0; position < length; position++) {
      const byte = bytes[position] as number;
      low = Math.imul(low ^ byte, 0x01000193);
      high = (Math.imul(high, 31) + byte) | 0;
    }
    this.#low = low;
    this.#high = high;
    this.#mix(length);
  }

  addText(text: string): void {
    this.#mix(hashName(text));
    this.#mix(text.length);
  }

  equals(other: Digest): boolean {
    return this.#low === other.#low && this.#high === other.#high;
  }

  /** 32 bits of the state, for comparing two runs event by event. */
  get word(): number {
    return this.#low ^ this.#high;
  }

  /** 16 hex digits. */
  toString(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }

  #mix(word: number): void {
    let low = Math.imul(this.#low ^ word, 0x85ebca6b);
    low ^= low >>> 15;
    const high = this.#high ^ Math.imul(word, 0x9e3779b1);
    this.#low = low;
    this.#high = (Math.imul((high << 13) | (high >>> 19), 5) + (low ^ 0x52dce729)) | 0;
  }
}

function addEntry(digest: Digest, entry: Entry): void {
  digest.add(entry.index);
  digest.add(entry.term);
  digest.add(entry.kind === "command" ? 1 : entry.kind === "empty" ? 2 : 3);
  digest.addBytes(entry.data);
}

/** Everything a member can see of a message; sender and receiver are the caller's to add. */
export function addMessage(digest: Digest, message: PeerMessage): void {
  switch (message.type) {
    case "heartbeat":
      digest.add(1);
      digest.add(message.term);
      digest.add(message.commitIndex);
      digest.add(message.readRound);
      return;
    case "heartbeatReply":
      digest.add(2);
      digest.add(message.term);
      digest.add(message.readRound);
      return;
    case "append":
      digest.add(3);
      digest.add(message.term);
      digest.add(message.prevIndex);
      digest.add(message.prevTerm);
      digest.add(message.commitIndex);
      digest.add(message.entries.length);
      for (const entry of message.entries) addEntry(digest, entry);
      return;
    case "appendAccepted":
      digest.add(4);
      digest.add(message.term);
      digest.add(message.matchIndex);
      return;
    case "appendRejected":
      digest.add(5);
      digest.add(message.term);
      digest.add(message.rejectedIndex);
      digest.add(message.hintIndex);
      digest.add(message.hintTerm);
      return;
    case "preVote":
    case "vote":
      digest.add(message.type === "vote" ? (message.transfer ? 7 : 6) : 8);
      digest.add(message.term);
      digest.add(message.lastIndex);
      digest.add(message.lastTerm);
      return;
    case "preVoteReply":
    case "voteReply":
      digest.add((message.type === "voteReply" ? 9 : 11) + (message.granted ? 1 : 0));
      digest.add(message.term);
      digest.add(message.committed.index);
      digest.add(message.committed.term);
      return;
    case "readIndex":
      digest.add(13);
      digest.add(message.term);
      digest.add(message.readContext);
      digest.add(message.incarnation);
      return;
    case "readIndexReply":
      digest.add(14);
      digest.add(message.term);
      digest.add(message.readContext);
      digest.add(message.incarnation);
      digest.add(message.readIndex);
      return;
    case "propose":
      digest.add(15);
      digest.add(message.term);
      digest.add(message.incarnation);
      digest.add(message.sequence);
      for (const command of message.commands) digest.addBytes(command);
      return;
    case "proposeConfiguration":
      digest.add(23);
      digest.add(message.term);
      digest.add(message.incarnation);
      digest.add(message.sequence);
      digest.addBytes(message.command);
      return;
    case "memberRemoved":
      digest.add(24);
      return;
    case "proposalRefused":
      digest.add(25);
      digest.add(message.incarnation);
      digest.add(message.proposal);
      digest.addText(message.refusal);
      return;
    case "timeoutNow":
      digest.add(16);
      digest.add(message.term);
      digest.add(message.committed.index);
      digest.add(message.committed.term);
      return;
    case "snapshotChunk":
      digest.add(17);
      digest.add(message.term);
      digest.add(message.transferId);
      digest.add(message.snapshotIndex);
      digest.add(message.snapshotTerm);
      digest.add(message.chunk);
      digest.add(message.last ? 1 : 0);
      digest.addText(describeConfiguration(message.configuration));
      digest.addBytes(message.bytes);
      return;
    case "snapshotChunkReply":
      digest.add(18);
      digest.add(message.term);
      digest.add(message.transferId);
      digest.add(message.nextChunk);
      return;
    case "hashQuery":
      digest.add(26);
      digest.add(message.callId);
      digest.add(message.incarnation);
      digest.add(message.index);
      digest.add(message.revision);
      return;
    case "hashReply":
      digest.add(27);
      digest.add(message.callId);
      digest.add(message.incarnation);
      digest.add(message.appliedIndex);
      digest.add(message.currentRevision);
      digest.add(message.compactRevision);
      digest.add(message.hash ?? -1);
      for (const { revision, hash } of message.compactions) {
        digest.add(revision);
        digest.add(hash);
      }
      return;
    case "leaseRenew":
    case "leaseQuery":
      digest.add(message.type === "leaseRenew" ? 19 : 20);
      digest.add(message.callId);
      digest.add(message.incarnation);
      digest.addText(message.leaseId.toString());
      return;
    case "leaseRenewReply":
    case "leaseQueryReply":
      digest.add(message.type === "leaseRenewReply" ? 21 : 22);
      digest.add(message.callId);
      digest.add(message.incarnation);
      digest.add(message.ttlSeconds ?? -2);
      if (message.type === "leaseQueryReply") {
        digest.add(message.grantedTtlSeconds);
        for (const key of message.keys) digest.addBytes(key);
      }
      return;
  }
}
