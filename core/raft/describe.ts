/*
 * The one printed form of entries and Raft messages: in interaction files, traces and reports. Positions are printed as
 * term/index, members by the hex form of their ids.
 */
import { unreachable } from "../assert.ts";
import { hexOf } from "../ids.ts";
import type { Committed, Configuration, Entry, Held, RaftMessage, Registration, Roll } from "./message.ts";

const shownBytesMax = 24;

/** `1/4 "put"`, `1/4 0x00ff`, `2/5 empty`, `2/6 configuration`; long data is cut and ends in `…`. */
export function describeEntry(entry: Entry): string {
  const position = `${entry.term}/${entry.index}`;
  return `${position} ${entry.kind === "command" ? describeData(entry.data) : entry.kind}`;
}

/** `1→2 append term=1 prev=1/3 entries=[1/4 "put"] commit=3`. */
export function describeMessage(message: RaftMessage): string {
  return `${hexOf(message.from)}→${hexOf(message.to)} ${message.type} term=${message.term}${describeBody(message)}`;
}

/** `voters=(1 2 3) learners=(4)`; empty parts are left out. */
export function describeConfiguration(configuration: Configuration): string {
  const parts: string[] = [];
  for (const part of ["voters", "outgoing", "learners"] as const) {
    if (configuration[part].length > 0) parts.push(`${part}=(${configuration[part].map(hexOf).join(" ")})`);
  }
  return parts.join(" ");
}

function describeBody(message: RaftMessage): string {
  switch (message.type) {
    case "preVote":
      return ` last=${message.lastTerm}/${message.lastIndex}`;
    case "vote":
      return ` last=${message.lastTerm}/${message.lastIndex}${message.transfer ? " transfer" : ""}`;
    case "preVoteReply":
      return `${message.granted ? " granted" : " refused"}${describeCommitted(message)}`;
    case "voteReply":
      return `${message.granted ? " granted" : " refused"}${describeCommitted(message)} life=${message.incarnation}${describeRegistrations(message)}`;
    case "append": {
      const entries = message.entries.map(describeEntry).join(", ");
      const position = `prev=${message.prevTerm}/${message.prevIndex}`;
      return ` ${position} entries=[${entries}] commit=${message.commitIndex} to-life=${message.toIncarnation}`;
    }
    case "appendAccepted":
      return ` match=${message.matchIndex}${describeLife(message)}${describeRegistrations(message)}`;
    case "appendRejected":
      return ` rejected=${message.rejectedIndex} hint=${message.hintTerm}/${message.hintIndex} life=${message.incarnation}`;
    case "heartbeat":
      return ` commit=${message.commitIndex} round=${message.readRound} to-life=${message.toIncarnation}${describeHeld(message.held)}`;
    case "heartbeatReply":
      return ` round=${message.readRound}${describeLife(message)}${message.promisedMs > 0 ? ` promised=${message.promisedMs}ms` : ""}`;
    case "readIndex":
      return ` context=${message.readContext} incarnation=${message.incarnation}`;
    case "readIndexReply":
      return ` context=${message.readContext} incarnation=${message.incarnation} index=${message.readIndex}`;
    case "propose":
      return ` sequence=${message.sequence} commands=[${message.commands.map(describeData).join(", ")}]`;
    case "proposeConfiguration":
      return ` sequence=${message.sequence} command=${describeData(message.command)}`;
    case "timeoutNow":
      return describeCommitted(message);
    case "snapshotChunk": {
      const position = `${message.snapshotTerm}/${message.snapshotIndex}`;
      const size = `bytes=${message.bytes.length}${message.last ? " last" : ""}`;
      return ` snapshot=${position} transfer=${message.transferId} chunk=${message.chunk} ${size}`;
    }
    case "snapshotChunkReply":
      return ` transfer=${message.transferId} next=${message.nextChunk}`;
    case "hello":
      return ` life=${message.incarnation}`;
    case "register":
      return ` life=${message.incarnation} round=${message.round}`;
    case "registerReply":
      return ` life=${message.incarnation} round=${message.round} last=${message.lastTerm}/${message.lastIndex}${describeRoll(message.roll)}${describeRegistrations(message)}`;
    case "helloReply": {
      const known = `seen-term=${message.seenTerm} held=${message.heldTerm}/${message.heldIndex}`;
      const flags = `${message.hasServed ? " served" : ""}${message.leads ? " leads" : ""}`;
      return ` life=${message.incarnation} ${known}${flags}${describeRoll(message.roll)}${describeRegistrations(message)}`;
    }
    default:
      return unreachable(message);
  }
}

const describeCommitted = ({ committed }: { readonly committed: Committed }): string =>
  ` committed=${committed.term}/${committed.index}`;

const describeLife = (message: { readonly incarnation: number; readonly isRecovering: boolean }): string =>
  ` life=${message.incarnation}${message.isRecovering ? " recovering" : ""}`;

function describeRegistrations({ registrations }: { readonly registrations: readonly Registration[] }): string {
  if (registrations.length === 0) return "";
  return ` registered=(${registrations.map((one) => `${hexOf(one.memberId)}:${one.incarnation}`).join(" ")})`;
}

const describeRoll = ({ index, configuration }: Roll): string =>
  ` roll=${index}:${describeConfiguration(configuration)}`;

const describeHeld = (held: Held | undefined): string =>
  held === undefined ? "" : ` held=${hexOf(held.memberId)}:${held.term}/${held.index}`;

function describeData(data: Uint8Array): string {
  const shown = data.subarray(0, shownBytesMax);
  const end = data.length > shownBytesMax ? "…" : "";
  if (shown.every((byte) => byte >= 0x20 && byte < 0x7f)) return `"${String.fromCharCode(...shown)}"${end}`;
  let hex = "0x";
  for (const byte of shown) hex += byte.toString(16).padStart(2, "0");
  return hex + end;
}
