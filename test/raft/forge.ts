/*
 * From the words of a command to members, numbers, entries and whole messages: also such as no member would send.
 */
import { utf8Encode } from "../../core/bytes.ts";
import { indexOf, type LogIndex, type MemberId, memberIdOf, type Term, termOf } from "../../core/ids.ts";
import type { Entry, RaftMessage } from "../../core/raft/message.ts";
import type { Command } from "../kit/datadriven.ts";

export const asId = (word: string): MemberId => memberIdOf(BigInt(word));

/** `size=3` as 3; `standard` when it is not given. */
export function numberOf(command: Command, option: string, standard: number): number {
  const word = command.options.get(option)?.[0];
  return word === undefined ? standard : Number(word);
}

export const optionId = (command: Command, option: string): MemberId =>
  asId(command.options.get(option)?.[0] as string);

/** A message as no member would send it just now: of a stranger, of another time, or a lie. */
export function forged(command: Command): RaftMessage {
  const type = command.words[0];
  const addressed = {
    from: optionId(command, "from"),
    to: optionId(command, "to"),
    term: termOf(numberOf(command, "term", 0)),
  };
  const [lastTerm, lastIndex] = positionOf(command, "last");
  const [prevTerm, prevIndex] = positionOf(command, "prev");
  const index = indexOf(numberOf(command, "index", 0));
  const incarnation = numberOf(command, "life", 1);
  const [committedTerm, committedIndex] = positionOf(command, "committed");
  const committed = { index: committedIndex, term: committedTerm };
  switch (type) {
    case "preVote":
      return { type, ...addressed, lastIndex, lastTerm };
    case "vote":
      return { type, ...addressed, lastIndex, lastTerm, transfer: command.words.includes("transfer") };
    case "voteReply":
      return { type, ...addressed, granted: true, committed, incarnation, registrations: [] };
    case "append":
      return {
        type,
        ...addressed,
        prevIndex,
        prevTerm,
        entries: (command.options.get("entries") ?? []).map(givenEntry),
        commitIndex: index,
        toIncarnation: incarnation,
      };
    case "appendAccepted":
      return { type, ...addressed, matchIndex: index, incarnation, isRecovering: false, registrations: [] };
    case "heartbeat":
      return {
        type,
        ...addressed,
        commitIndex: index,
        toIncarnation: incarnation,
        readRound: 0,
        held: undefined,
      };
    case "heartbeatReply":
      return { type, ...addressed, readRound: index, incarnation, isRecovering: false, promisedMs: 0 };
    case "timeoutNow":
      return { type, ...addressed, committed };
    case "propose":
      return { type, ...addressed, incarnation, sequence: 1, commands: [utf8Encode("forged")] };
    case "readIndex":
      return { type, ...addressed, readContext: 1, incarnation };
    default:
      throw new Error(`nobody can forge this: ${command.line}`);
  }
}

/** `last=3/7` as a term and an index; 0/0 when it is not given. */
function positionOf(command: Command, option: string): readonly [Term, LogIndex] {
  const [term, index] = (command.options.get(option)?.[0] ?? "0/0").split("/");
  return [termOf(Number(term)), indexOf(Number(index))];
}

/** `1/2` as the entry that holds "1.2". */
export function givenEntry(word: string): Entry {
  const [term, index] = word.split("/");
  return {
    index: indexOf(Number(index)),
    term: termOf(Number(term)),
    kind: "command",
    data: utf8Encode(`${term}.${index}`),
  };
}
