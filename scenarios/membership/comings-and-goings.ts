/*
 * An operator who changes the members of a cluster again and again, whatever else goes on: adds voters and learners,
 * promotes, demotes and removes, one at a time or several in one step. Changes are drawn from what the earlier ones were
 * meant to bring about; one that was refused, or is still waited for, makes the next one refused too, which does no harm.
 */
import type { Random } from "../../core/index.ts";
import { chance, oneOf, someOf } from "../chance.ts";
import type { PlannedFault } from "../faults.ts";
import type { DrawContext } from "../scenario.ts";
import { type EpisodeOptions, episodes } from "../swarm.ts";
import { at, type Moment } from "../timeline.ts";

/** Who is meant to be what. */
interface Cast {
  voters: readonly string[];
  learners: readonly string[];
  /** Machines that belong to nobody yet. */
  spares: readonly string[];
}

/** Fewer founders than this would be left with too little to lose. */
const votersMin = 3;

export function comingsAndGoings(context: DrawContext, options: EpisodeOptions): PlannedFault[] {
  const random = context.random.fork("comings-and-goings");
  const cast: Cast = { voters: context.members, learners: [], spares: context.spares };
  return episodes(random.fork("times"), context, options).flatMap(({ fromMs }, number) => {
    const planned = oneChange(random.fork(`change/${number}`), cast, at(fromMs));
    return planned === undefined ? [] : [planned];
  });
}

function oneChange(random: Random, cast: Cast, moment: Moment): PlannedFault | undefined {
  const [spare] = cast.spares;
  const [learner] = cast.learners;
  const possible = [
    ...(spare === undefined ? [] : [() => joined(cast, moment.addVoter(spare), { voters: [spare] })]),
    ...(spare === undefined ? [] : [() => joined(cast, moment.addLearner(spare), { learners: [spare] })]),
    ...(learner === undefined ? [] : [() => joined(cast, moment.promoteMember(learner), { voters: [learner] })]),
    ...(cast.voters.length > votersMin ? [() => removed(random, cast, moment)] : []),
    () => inOneStep(random, cast, moment),
  ];
  return oneOf(random, possible as [(typeof possible)[number]])();
}

function joined(
  cast: Cast,
  planned: PlannedFault,
  { voters = [], learners = [] }: { readonly voters?: readonly string[]; readonly learners?: readonly string[] },
): PlannedFault {
  const placed = [...voters, ...learners];
  cast.spares = cast.spares.filter((name) => !placed.includes(name));
  cast.learners = [...cast.learners.filter((name) => !placed.includes(name)), ...learners];
  cast.voters = [...cast.voters, ...voters];
  return planned;
}

function removed(random: Random, cast: Cast, moment: Moment): PlannedFault {
  const name = oneOf(random, cast.voters as [string]);
  cast.voters = cast.voters.filter((other) => other !== name);
  return moment.removeMember(name);
}

/** Some come, some go, some take each other's part: by joint consensus. */
function inOneStep(random: Random, cast: Cast, moment: Moment): PlannedFault | undefined {
  const add = someOf(random, cast.spares, random.below(3));
  const rest = cast.spares.filter((name) => !add.includes(name));
  const addLearners = chance(random, 30) ? someOf(random, rest, 1) : [];
  const promote = chance(random, 60) ? someOf(random, cast.learners, 1) : [];
  const leaving = Math.max(0, cast.voters.length + add.length + promote.length - votersMin);
  const remove = someOf(random, cast.voters, Math.min(leaving, random.below(3)));
  const stay = cast.voters.filter((name) => !remove.includes(name));
  const demote = leaving > remove.length && chance(random, 50) ? someOf(random, stay, 1) : [];
  if (add.length + addLearners.length + promote.length + remove.length + demote.length === 0) return undefined;
  cast.spares = rest.filter((name) => !addLearners.includes(name));
  cast.learners = [...cast.learners.filter((name) => !promote.includes(name)), ...addLearners, ...demote];
  cast.voters = [...stay.filter((name) => !demote.includes(name)), ...add, ...promote];
  return moment.changeMembers({ add, addLearners, remove, promote, demote });
}
