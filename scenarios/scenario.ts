/*
 * The shape of a scenario file: plain data plus pure functions, knowing neither world. A scenario does not run; it is
 * drawn with a seed into a plan (draw.ts), and a world runs the plan.
 */
import type { MemberConfig, Random } from "../core/index.ts";
import type { LinkLaw, PlannedFault } from "./faults.ts";
import type { Meant, PlannedClient, PlannedWatch } from "./plan.ts";

/** Which worlds can make a scenario: the seeded simulator, or drills on real processes. */
export type World = "sim" | "real";

/** What a scenario's functions may look at while they draw. Every draw comes from `random`, a stream of its own. */
export interface DrawContext {
  readonly random: Random;
  readonly world: World;
  /** Names in plan order. */
  readonly members: readonly string[];
  /** Names of members that are there to be added. */
  readonly spares: readonly string[];
  /** The drawn config all members share. */
  readonly config: MemberConfig;
  /** The law links have while no fault changes it. */
  readonly link: LinkLaw;
  /** Faults belong in [0, safetyMs). */
  readonly safetyMs: number;
  /** Clients may call in [0, callsUntilMs): calls after safetyMs are what progress is measured by. */
  readonly callsUntilMs: number;
}

/** Parts of a plan a workload draws. Call ids are unique over all clients; so are client numbers over both lists. */
export interface WorkloadParts {
  readonly clients: readonly PlannedClient[];
  readonly watches: readonly PlannedWatch[];
}
export type Workload = (context: DrawContext) => WorkloadParts;

export interface Scenario {
  /** Kebab case; also the file's name. */
  readonly name: string;
  /** The promise of etcd that is at stake, one sentence. */
  readonly why: string;
  readonly worlds: readonly World[];
  /** Why not every world, when `worlds` lacks one. */
  readonly worldsWhy?: string;
  /** Why a drill is for members of ours alone; absent: others can be drilled as well. */
  readonly ownMembersWhy?: string;
  readonly cluster: {
    /** Several: drawn in the simulator, where a larger cluster costs little; drills take the first. */
    readonly voters: number | readonly [number, ...number[]];
    /** Members beyond the voters that faults may add; named after them. Several: as with voters. Absent: none. */
    readonly spares?: number | readonly [number, ...number[]];
    /** Fields this scenario is about, fixed or drawn by itself; these win over the drawn tuning. */
    readonly config?: Partial<MemberConfig> | ((random: Random, world: World) => Partial<MemberConfig>);
    /** Fields in which the members differ, drawn for each; these win over all others. */
    readonly memberConfig?: (random: Random, world: World) => Partial<MemberConfig>;
    /** False: leave every other field at its default instead of drawing it per seed. */
    readonly swarm?: boolean;
    /** Members' clocks start so much ahead of the world's at most, drawn; absent: not at all. */
    readonly clockOffsetMsMax?: number;
  };
  /** Fixed link law; absent: drawn per seed. */
  readonly link?: LinkLaw;
  readonly workload: Workload;
  /** A fixed list, or drawn. */
  readonly faults: readonly PlannedFault[] | ((context: DrawContext) => readonly PlannedFault[]);
  /** True: never leave a minority broken while progress is owed. May depend on what was drawn. */
  readonly healAllAtOnce?: boolean | ((faults: readonly PlannedFault[]) => boolean);
  /** Length of the safety phase; a simulated one may be drawn from several. */
  readonly durationMs: { readonly sim: number | readonly [number, ...number[]]; readonly real: number };
  /** Names of checks. */
  readonly checks: readonly string[];
  /** The promise it is there to break, by taking away what it stands on. Absent: every check must hold. */
  readonly meant?: Meant;
}

/** Types a scenario literal; refuses a scenario that cannot be drawn. */
export const scenario = (definition: Scenario): Scenario => definition;
