/*
 * How the members of a drill reach each other, and how that is broken: the one face of two back ends. One puts a hop of this
 * process in front of each member (proxy-links.ts), the other gives each member a network namespace (namespace-links.ts).
 * A link is one direction between two members.
 */
import type { LinkLaw } from "../../scenarios/faults.ts";

export interface Link {
  readonly from: string;
  readonly to: string;
}

/** host:port each. */
export interface MemberPlace {
  readonly client: string;
  /** Where the process listens for its peers, and what it tells them. */
  readonly peerListen: string;
  readonly peer: string;
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

export interface Links {
  /** Makes a place for each of the members, in that order. Called once, before anything else. */
  open(names: readonly string[]): Promise<readonly MemberPlace[]>;
  /** How a process of that member is to be run. */
  commandAt(name: string, command: Command): Command;
  /** From now on those links carry nothing. */
  cut(links: readonly Link[]): Promise<void>;
  /** From now on the links from and to that member keep what they are given, as far as there is room. */
  clog(name: string): Promise<void>;
  /** How every link carries. @returns what of that law is made here, as a phrase */
  setLaw(law: LinkLaw): Promise<string>;
  /** Every link works again. */
  heal(): Promise<void>;
  /** The links between these members work again; others stay as they are. */
  healAmong(members: readonly string[]): Promise<void>;
  /** Leaves nothing behind; no member runs any more. */
  close(): Promise<void>;
}

/** In words, for the parts of a law that no TCP connection has. */
export function leftOut({ duplicatePpm, reorderPpm }: LinkLaw): string {
  const left = [duplicatePpm > 0 ? "no duplicates" : "", reorderPpm > 0 ? "no reordering" : ""].filter(
    (it) => it !== "",
  );
  return left.length === 0 ? "" : `; ${left.join(", ")}: TCP has none`;
}
