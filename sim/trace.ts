/*
 * One line per event, for people: made only when somebody asks, never in the hot path. Raft messages are printed by
 * core's own describer, so that traces, interaction files and reports speak one language.
 */
import { describeMessage, hexOf, type PeerMessage } from "../core/index.ts";
import { kindNames, kinds } from "./event-kinds.ts";
import type { ScheduledEvent } from "./schedule.ts";
import type { World } from "./world.ts";

/** `12.345 ms n2 peerMessage 1→2 append …`. */
export function traceLine(world: World, event: ScheduledEvent): string {
  const time = `${(event.timeUs / 1_000).toFixed(3)} ms`;
  const kind = kindNames[event.kind] ?? `kind ${event.kind}`;
  return `${time} ${ownerOf(world, event)} ${kind}${detailOf(event)}`;
}

/** What every member believes, one line each, for the end of a replay that stopped early. */
export function stateLines(world: World): readonly string[] {
  return world.hosts.map((host) => {
    const { member } = host;
    if (member === undefined) return `${host.name} down after life ${host.life}`;
    const { raft } = member;
    const leader = raft.leaderId === undefined ? "none" : hexOf(raft.leaderId);
    const log = `log ${raft.firstIndex}..${raft.lastIndex} stable=${raft.stableIndex} commit=${raft.commitIndex}`;
    const store = `applied=${member.appliedIndex} revision=${member.currentRevision}`;
    const paused = host.paused ? " paused" : "";
    return `${host.name} ${raft.role} term=${raft.term} leader=${leader} ${log} ${store}${paused}`;
  });
}

function ownerOf(world: World, event: ScheduledEvent): string {
  if (event.kind === kinds.conductor) return "conductor";
  if (event.kind === kinds.sessionInput || event.kind === kinds.sessionWake) return `session ${event.slot}`;
  return world.hosts[event.slot]?.name ?? `member ${event.slot}`;
}

function detailOf(event: ScheduledEvent): string {
  if (event.kind === kinds.peerMessage) return ` ${messageText(event.payload as PeerMessage)}`;
  if (event.kind === kinds.tick) return "";
  const number = event.number === 0 ? "" : ` ${event.number}`;
  return event.payload === undefined ? number : `${number} ${plainText(event.payload)}`;
}

function messageText(message: PeerMessage): string {
  switch (message.type) {
    case "leaseRenew":
    case "leaseRenewReply":
    case "leaseQuery":
    case "leaseQueryReply":
    case "memberRemoved":
    case "proposalRefused":
    case "hashQuery":
    case "hashReply":
      return `${hexOf(message.from)}→${hexOf(message.to)} ${plainText(message)}`;
    default:
      return describeMessage(message);
  }
}

const shownMax = 240;

function plainText(value: unknown): string {
  const text = JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === "bigint") return inner.toString();
    if (inner instanceof Uint8Array) return String.fromCharCode(...inner.subarray(0, 32));
    return inner;
  });
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text;
}
