/*
 * Links between network namespaces: packets are dropped by nft, held back by a token bucket (tc tbf) and lost by chance,
 * as on a real network, and nobody's connection is touched unless TCP itself gives it up. A delay alone is made by a hop
 * of this process, to which a member's new connections are led (dnat): most kernels have no other way.
 *
 * What a one-way cut is: data from one member to another is lost, bare acknowledgements pass, so the other way still works.
 * Cut both ways nothing passes at all.
 */
import type { Random } from "../../core/index.ts";
import type { LinkLaw } from "../../scenarios/faults.ts";
import { type Capabilities, whyNot } from "../capabilities.ts";
import { runTool } from "../tools.ts";
import { type Command, type Link, type Links, leftOut, type MemberPlace } from "./links.ts";
import { drillPeerAddress, inside, leavePlaces, makePlaces, type Place } from "./namespace.ts";
import { filterChange, filterTable, type PacketRules, peerInterface, peerPort } from "./packet-rules.ts";
import { LinkNetwork } from "./proxy.ts";

const clientPort = 2379;
/** One byte a second: what waits, waits. */
const closedBucket = ["rate", "8bit", "burst", "1600", "limit", "8mb"];
/** Faster than anything here; what had waited goes at once. */
const openBucket = ["rate", "10gbit", "burst", "10mb", "limit", "8mb"];

export class NamespaceLinks implements Links {
  readonly #capabilities: Pick<Capabilities, "cut" | "loss" | "delay">;
  readonly #directory: string;
  readonly #hops: LinkNetwork;
  readonly #hopPorts = new Map<string, number>();
  #places: readonly Place[] = [];
  /** Cut links as "from→to". */
  readonly #cut = new Set<string>();
  readonly #clogged = new Set<string>();
  /** Members whose interfaces have a bucket, open or closed. */
  readonly #withBucket = new Set<string>();
  #lossPpm = 0;
  #isDelayed = false;

  /** @param options.directory where the namespaces are mounted; it is made */
  constructor(options: {
    readonly directory: string;
    readonly capabilities: Pick<Capabilities, "cut" | "loss" | "delay">;
    readonly random: Random;
  }) {
    this.#directory = options.directory;
    this.#capabilities = options.capabilities;
    this.#hops = new LinkNetwork({
      senderOf: ({ localAddress }) =>
        this.#places.find(({ peerAddress }) => peerAddress === localAddress.replace(/^::ffff:/, ""))?.name,
      random: options.random,
    });
  }

  async open(names: readonly string[]): Promise<readonly MemberPlace[]> {
    this.#places = await makePlaces(this.#directory, names);
    for (const place of this.#places) {
      if (this.#can("cut")) await this.#filter(place, filterTable());
      const to = { host: place.peerAddress, port: peerPort };
      this.#hopPorts.set(place.name, await this.#hops.addHop(place.name, { at: drillPeerAddress, to }));
    }
    return this.#places.map(({ peerAddress, clientAddress }) => ({
      client: `${clientAddress}:${clientPort}`,
      peerListen: `${peerAddress}:${peerPort}`,
      peer: `${peerAddress}:${peerPort}`,
    }));
  }

  commandAt(name: string, { command, args }: Command): Command {
    const [program = "", ...rest] = inside(this.#placeOf(name), [command, ...args]);
    return { command: program, args: rest };
  }

  async cut(links: readonly Link[]): Promise<void> {
    for (const link of links) {
      this.#cut.add(linkName(link));
      this.#hops.cutOneWay(link);
    }
    await this.#applyRules();
  }

  async clog(name: string): Promise<void> {
    this.#clogged.add(name);
    this.#hops.clog(name);
    await this.#applyBuckets();
  }

  async setLaw(law: LinkLaw): Promise<string> {
    const { minDelayMs, maxDelayMs, lossPpm } = law;
    this.#lossPpm = this.#can("loss") ? lossPpm : 0;
    this.#isDelayed = maxDelayMs > 0 && this.#can("delay");
    this.#hops.setLaw({ minDelayMs, maxDelayMs, resetPpm: 0 });
    await this.#applyRules();
    const delay = this.#isDelayed ? `delay ${minDelayMs}..${maxDelayMs} ms by a hop` : "no delay";
    return `${delay}, ${this.#lossPpm} ppm of packets lost${leftOut(law)}`;
  }

  async heal(): Promise<void> {
    this.#cut.clear();
    this.#clogged.clear();
    this.#lossPpm = 0;
    this.#isDelayed = false;
    this.#hops.heal();
    await this.#applyRules();
    await this.#applyBuckets();
  }

  async healAmong(members: readonly string[]): Promise<void> {
    for (const from of members) for (const to of members) this.#cut.delete(linkName({ from, to }));
    for (const name of members) this.#clogged.delete(name);
    this.#hops.healAmong(members);
    await this.#applyRules();
    await this.#applyBuckets();
  }

  async close(): Promise<void> {
    await this.#hops.close();
    await leavePlaces(this.#places);
  }

  async #applyRules(): Promise<void> {
    if (!this.#can("cut")) return;
    await Promise.all(this.#places.map((place) => this.#filter(place, filterChange(this.#rulesOf(place)))));
  }

  #rulesOf(to: Place): PacketRules {
    const others = this.#places.filter(({ name }) => name !== to.name);
    const unheard = others.filter(({ name }) => this.#cut.has(linkName({ from: name, to: to.name })));
    const isMutual = ({ name }: Place): boolean => this.#cut.has(linkName({ from: to.name, to: name }));
    const addressesOf = (places: readonly Place[]): string[] => places.map(({ peerAddress }) => peerAddress);
    const detourTo = ({ name }: Place) => ({ host: drillPeerAddress, port: this.#hopPorts.get(name) ?? 0 });
    return {
      // A cut that ends nowhere else is heard by neither end.
      deafTo: addressesOf(unheard.filter(isMutual)),
      blindTo: addressesOf(unheard.filter((place) => !isMutual(place))),
      lossPpm: this.#lossPpm,
      detours: new Map(this.#isDelayed ? others.map((place) => [place.peerAddress, detourTo(place)]) : []),
    };
  }

  /** Both ends of a clogged member's wire hold back: what it sends, and what is sent to it. */
  async #applyBuckets(): Promise<void> {
    for (const place of this.#places) {
      const isClogged = this.#clogged.has(place.name);
      if (!isClogged && !this.#withBucket.has(place.name)) continue;
      const bucket = isClogged ? closedBucket : openBucket;
      const tc = (device: string): string[] => ["tc", "qdisc", "replace", "dev", device, "root", "tbf", ...bucket];
      await runTool(inside(place, tc(peerInterface)));
      await runTool(tc(place.bridgePort));
      this.#withBucket.add(place.name);
    }
  }

  async #filter(place: Place, script: string): Promise<void> {
    await runTool(inside(place, ["nft", "-f", "-"]), script);
  }

  #can(ability: "cut" | "loss" | "delay"): boolean {
    return whyNot(this.#capabilities[ability]) === undefined;
  }

  #placeOf(name: string): Place {
    const place = this.#places.find((candidate) => candidate.name === name);
    if (place === undefined) throw new Error(`no place for member ${name}`);
    return place;
  }
}

const linkName = ({ from, to }: Link): string => `${from}→${to}`;
