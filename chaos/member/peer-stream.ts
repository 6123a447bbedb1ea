/*
 * The bytes of a connection between two members. A sender needs no answer to go on, so that a link that is cut one way
 * still carries the other way.
 *
 *     dialler → acceptor   preface, cluster id, from, to (8 bytes each), text (2 bytes of length before it) with the
 *                          dialler's release and URLs, a line each, then frames: length (4 bytes), messages, each with
 *                          its length (4 bytes); an empty frame asks for a sign of life. Little-endian.
 *     acceptor → dialler   1: a sign of life; 2 and a text to the end: refused
 */
import { type ClusterId, clusterIdOf, type MemberId, memberIdOf } from "../../core/index.ts";
import { etcdVersion } from "./version.ts";

/** What a member says of itself to every other. */
export interface PeerSelf {
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  /** What this member runs; absent: the release of this program. */
  readonly release?: string;
  /** URLs of this member, for members that do not know it yet. */
  readonly peerUrls?: readonly string[];
}

/** Silence after which a connection is closed, in either direction, and the least that can be asked for, as in etcd. */
export const peerTimeoutLeastMs = 5_000;

/** By which a member's connection is known, whatever form of greeting follows. */
export const peerName = Buffer.from("FAULTLINE-PEER ");
const peerPreface = Buffer.concat([peerName, Buffer.from("3\r\n")]);
/** Three ids and the length of the text. */
const greetingBytes = 26;
/** Before so many bytes are there, nothing of a greeting can be read. */
export const greetingBytesMin = peerPreface.length + greetingBytes;

export const signOfLife = 1;
export const refused = 2;
/** The refusal that ends a member. */
export const removedText = "the member has been permanently removed from the cluster";

/** Asks for a sign of life. */
export const emptyFrame = Buffer.alloc(4);

export const releaseIn = ({ release = etcdVersion }: PeerSelf): string => release;

export const refusalOf = (problem: string): Buffer => Buffer.concat([Buffer.from([refused]), Buffer.from(problem)]);

export function greetingOf(self: PeerSelf, to: MemberId): Buffer {
  const bytes = Buffer.alloc(greetingBytes);
  bytes.writeBigUInt64LE(self.clusterId, 0);
  bytes.writeBigUInt64LE(self.memberId, 8);
  bytes.writeBigUInt64LE(to, 16);
  const text = Buffer.from([releaseIn(self), ...(self.peerUrls ?? [])].join("\n"));
  bytes.writeUInt16LE(text.length, 24);
  return Buffer.concat([peerPreface, bytes, text]);
}

export interface Greeting {
  readonly clusterId: ClusterId;
  readonly from: MemberId;
  readonly to: MemberId;
  readonly release: string;
  readonly peerUrls: readonly string[];
}

/**
 * @param bytes at least {@link greetingBytesMin}
 * @returns the greeting and where it ends, or only where it will end; undefined: the dialler greets in another form
 */
export function readGreeting(bytes: Buffer): { readonly end: number; readonly greeting?: Greeting } | undefined {
  if (!bytes.subarray(0, peerPreface.length).equals(peerPreface)) return undefined;
  const end = greetingBytesMin + bytes.readUInt16LE(greetingBytesMin - 2);
  if (bytes.length < end) return { end };
  const own = bytes.subarray(peerPreface.length, end);
  const [release = "", ...peerUrls] = own.subarray(greetingBytes).toString("utf8").split("\n");
  const clusterId = clusterIdOf(own.readBigUInt64LE(0));
  const [from, to] = [memberIdOf(own.readBigUInt64LE(8)), memberIdOf(own.readBigUInt64LE(16))];
  return { end, greeting: { clusterId, from, to, release, peerUrls } };
}

/** @param sizeBytes of all messages together */
export function frameOf(messages: readonly Uint8Array[], sizeBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(4 + 4 * messages.length + sizeBytes);
  frame.writeUInt32LE(frame.length - 4, 0);
  let position = 4;
  for (const bytes of messages) {
    frame.writeUInt32LE(bytes.length, position);
    frame.set(bytes, position + 4);
    position += 4 + bytes.length;
  }
  return frame;
}
