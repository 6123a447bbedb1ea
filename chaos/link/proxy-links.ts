/*
 * Links through hops of this process, on the machine's own loopback: no privileges, no tools. Which member dialled is
 * known from the kernel's table of sockets; where that cannot be read, links cannot be told apart and nothing is cut.
 */
import type { Random } from "../../core/index.ts";
import type { LinkLaw } from "../../scenarios/faults.ts";
import { freePorts } from "./free-ports.ts";
import { type Command, type Link, type Links, leftOut, type MemberPlace } from "./links.ts";
import { LinkNetwork } from "./proxy.ts";
import { senderOf } from "./sender.ts";

export class ProxyLinks implements Links {
  readonly #hops: LinkNetwork;
  #names: readonly string[] = [];

  /** @param options.pidOf the process of a member now: processes come and go */
  constructor(options: { readonly pidOf: (name: string) => number | undefined; readonly random: Random }) {
    const { pidOf, random } = options;
    this.#hops = new LinkNetwork({
      senderOf: (dialled) =>
        senderOf(
          dialled,
          this.#names.map((name) => ({ name, pid: pidOf(name) })),
        ),
      random,
    });
  }

  async open(names: readonly string[]): Promise<readonly MemberPlace[]> {
    this.#names = names;
    const places: MemberPlace[] = [];
    const ports = await freePorts(names.length * 2);
    for (const [position, name] of names.entries()) {
      const peerPort = ports[position * 2 + 1] ?? 0;
      const hop = await this.#hops.addHop(name, { at: loopback, to: { host: loopback, port: peerPort } });
      places.push({
        client: `${loopback}:${ports[position * 2] ?? 0}`,
        peerListen: `${loopback}:${peerPort}`,
        peer: `${loopback}:${hop}`,
      });
    }
    return places;
  }

  commandAt(_name: string, command: Command): Command {
    return command;
  }

  async cut(links: readonly Link[]): Promise<void> {
    for (const link of links) this.#hops.cutOneWay(link);
  }

  async clog(name: string): Promise<void> {
    this.#hops.clog(name);
  }

  async setLaw(law: LinkLaw): Promise<string> {
    const { minDelayMs, maxDelayMs, lossPpm } = law;
    this.#hops.setLaw({ minDelayMs, maxDelayMs, resetPpm: lossPpm });
    return `delay ${minDelayMs}..${maxDelayMs} ms, ${lossPpm} ppm of pieces lost as resets${leftOut(law)}`;
  }

  async heal(): Promise<void> {
    this.#hops.heal();
  }

  async healAmong(members: readonly string[]): Promise<void> {
    this.#hops.healAmong(members);
  }

  async close(): Promise<void> {
    await this.#hops.close();
  }
}

const loopback = "127.0.0.1";
