/*
 * A path through a small scenario in words: one line for each step, and under it what followed at once. Messages have
 * the printed form that they have everywhere.
 */
import { describeMessage } from "../../core/index.ts";
import type { Code, Step } from "./choices.ts";
import type { SmallCluster } from "./cluster.ts";
import type { Row } from "./flight.ts";
import type { Local } from "./locals.ts";
import { dataOfWrite } from "./small-member.ts";

/** @param path from the start; the last step may break a rule */
export function describePath(cluster: SmallCluster, path: readonly Code[]): readonly string[] {
  const lines: string[] = [];
  let state = cluster.start();
  if (cluster.scenario.start !== "blank")
    lines.push("   0  member 1 leads, everybody holds its first entry, nothing is in flight");
  for (const [position, code] of path.entries()) {
    const step = cluster.stepOf(code);
    const from = cluster.localAt(state, step.slot);
    const { to, sent, heard } = cluster.locals.step(from, step);
    const name = step.slot + 1;
    lines.push(`${String(position + 1).padStart(4)}  ${textOf(step)}`);
    const then = (text: string): void => void lines.push(`        ${text}`);
    for (const text of changesOf(from, to)) then(`${name} ${text}`);
    for (const message of sent) then(`sent ${describeMessage(cluster.messages.at(message))}`);
    for (const { write, index } of heard?.acknowledged ?? []) {
      then(`${name} acknowledges write "${dataOfWrite(write)}" at index ${index}`);
    }
    for (const { read, index } of heard?.served ?? [])
      then(`${name} answers read ${read + 1} with the log up to index ${index}`);
    for (const read of heard?.abandoned ?? []) then(`${name} gives up read ${read + 1}`);
    const stepped = cluster.step(state, code);
    if (stepped === "broken") then(`✗ ${cluster.broken?.rule}: ${cluster.broken?.text}`);
    else if (stepped === "moved") state = copyOf(cluster.next);
  }
  return lines;
}

const copyOf = ({ cells, length }: Row): Row => ({ cells: cells.slice(0, length), length });

function textOf({ kind, slot, choice }: Step): string {
  const member = `member ${slot + 1}`;
  switch (choice.type) {
    case "timeout":
      return `an election timeout passes at ${member}`;
    case "heartbeat":
      return `a tick passes at ${member}`;
    case "crash":
      return `${member} crashes, loses what is not on its disk, and starts again`;
    case "wipe":
      return `${member} loses its whole disk, and starts again`;
    case "persist":
      return `the oldest write of ${member} is durable`;
    case "write":
      return `a client writes "${dataOfWrite(choice.write)}" at ${member}`;
    case "read":
      return `a client asks ${member} for read ${choice.read + 1}`;
    case "transfer":
      return `${member} is asked to hand over to member ${choice.to}`;
    case "deliver":
      return `${describeMessage(choice.message)} arrives${kind === "copy" ? ", and a copy stays in flight" : ""}`;
  }
}

function changesOf(from: Local, to: Local): readonly string[] {
  const changes: string[] = [];
  if (to.role !== from.role || (to.term !== from.term && to.role !== "follower")) {
    changes.push(`becomes ${to.role} of term ${to.term}`);
  } else if (to.term !== from.term) changes.push(`is in term ${to.term}`);
  if (to.commitIndex > from.commitIndex) changes.push(`knows index ${to.commitIndex} as committed`);
  return changes;
}
