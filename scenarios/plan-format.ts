/*
 * Plans as files: written one part a line so that people can edit and compare them, read back with every mistake
 * named by its place and its remedy. Nothing is repaired silently: a plan runs as written or not at all.
 */
import { checkNames } from "./check/all.ts";
import type { Fault, LinkLaw } from "./faults.ts";
import { type Plan, planFormat, planVersion } from "./plan.ts";
import { planShape } from "./plan-shape.ts";
import { type Flaw, flawText, isRecord, shown } from "./shape.ts";

export type PlanReading =
  | { readonly ok: true; readonly plan: Plan }
  /** One sentence: place, problem, remedy. */
  | { readonly ok: false; readonly error: string };

/** Reads the text of a plan file. */
export function parsePlan(text: string): PlanReading {
  const parsed = parseJson(text);
  if (!parsed.ok) return { ok: false, error: flawText(parsed.flaw) };
  return checkPlan(parsed.value);
}

/** Holds a value, as parsed from JSON, against the shape of a plan and its parts against one another. */
export function checkPlan(value: unknown): PlanReading {
  const misfit = originFlaw(value) ?? planShape(value, "plan");
  if (misfit !== undefined) return { ok: false, error: flawText(misfit) };
  const plan = value as Plan; // it has the shape, as was just seen
  const flaw = membersFlaw(plan) ?? numbersFlaw(plan) ?? faultsFlaw(plan) ?? restFlaw(plan);
  return flaw === undefined ? { ok: true, plan } : { ok: false, error: flawText(flaw) };
}

type Parsed = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly flaw: Flaw };

function parseJson(text: string): Parsed {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const endsAt = position === undefined ? text.length : Math.min(Number(position), text.length);
    const line = text.slice(0, endsAt).split("\n").length;
    const cutOff = endsAt >= text.trimEnd().length;
    const problem = cutOff ? `the JSON ends too early, in line ${line}` : `line ${line} is no JSON`;
    const remedy = cutOff ? "copy the whole file again" : "correct that line";
    return { ok: false, flaw: { place: "plan", problem, remedy } };
  }
}

/** Another kind of file, or a plan of another version, is said so before its fields are called unknown. */
function originFlaw(value: unknown): Flaw | undefined {
  if (!isRecord(value)) return undefined;
  if (value["format"] !== planFormat) {
    const problem = `${shown(value["format"])} is not ${shown(planFormat)}`;
    return { place: "plan.format", problem, remedy: "give the plan.json of a run" };
  }
  const version = value["version"];
  if (typeof version === "number" && version !== planVersion) {
    const age = version > planVersion ? "newer" : "older";
    return {
      place: "plan.version",
      problem: `${version} is ${age} than the version ${planVersion} this program reads`,
      remedy: "use the program that wrote it, or draw the plan again from its scenario and seed",
    };
  }
  return undefined;
}

// ---- parts against one another ---------------------------------------------------------------------------------

const roles: readonly string[] = ["leader", "follower"];

function membersFlaw({ members }: Plan): Flaw | undefined {
  const place = "plan.members";
  if (members.every((member) => member.joins === true))
    return { place, problem: "is empty", remedy: "name at least one member" };
  const seen = new Set<string>();
  for (const [position, { name }] of members.entries()) {
    const own = `${place}[${position}].name`;
    if (roles.includes(name) || name === "all") {
      return { place: own, problem: `${shown(name)} has a meaning in faults`, remedy: "choose another name" };
    }
    if (seen.has(name)) return { place: own, problem: `${shown(name)} is taken`, remedy: "choose another name" };
    seen.add(name);
  }
  return undefined;
}

/** Homes exist; client numbers and call ids are given once. */
function numbersFlaw(plan: Plan): Flaw | undefined {
  const clients = new Set<number>();
  const calls = new Set<number>();
  const lists = [
    { place: "plan.clients", owners: plan.clients },
    { place: "plan.watches", owners: plan.watches },
  ] as const;
  for (const { place, owners } of lists) {
    for (const [position, { client, home }] of owners.entries()) {
      const own = `${place}[${position}]`;
      if (home >= plan.members.length) {
        const problem = `${home} is no position of one of ${plan.members.length} members`;
        return { place: `${own}.home`, problem, remedy: `write 0..${plan.members.length - 1}` };
      }
      if (clients.has(client)) return takenFlaw(`${own}.client`, client, "clients and watches");
      clients.add(client);
    }
  }
  for (const [position, client] of plan.clients.entries()) {
    for (const [turn, { id }] of client.calls.entries()) {
      if (calls.has(id)) return takenFlaw(`plan.clients[${position}].calls[${turn}].id`, id, "calls of all clients");
      calls.add(id);
    }
  }
  return undefined;
}

const takenFlaw = (place: string, value: number, owners: string): Flaw => ({
  place,
  problem: `${value} is taken`,
  remedy: `give each of the ${owners} a number of its own`,
});

/** Faults come in the safety phase, speak of members there are, and put back only what was copied before. */
function faultsFlaw(plan: Plan): Flaw | undefined {
  const { safetyMs } = plan.phases;
  for (const [position, { fault, atMs }] of plan.faults.entries()) {
    const place = `plan.faults[${position}].fault`;
    if (atMs >= safetyMs) {
      const problem = `${atMs} is not before the end of the safety phase at ${safetyMs}: it would never happen`;
      return { place: `plan.faults[${position}].atMs`, problem, remedy: "move it, remove it, or lengthen the phase" };
    }
    const flaw = targetFlaw(plan, fault, place) ?? labelFlaw(plan, { fault, atMs, place });
    if (flaw !== undefined) return flaw;
    if (fault.fault === "linkLaw") {
      const lawFlaw = delaysFlaw(fault.law, `${place}.law`);
      if (lawFlaw !== undefined) return lawFlaw;
    }
  }
  return undefined;
}

function targetFlaw(plan: Plan, fault: Fault, place: string): Flaw | undefined {
  switch (fault.fault) {
    case "restart":
    case "resume":
      return fault.target === "all" ? undefined : memberFlaw(plan, fault.target, `${place}.target`, roles);
    case "addMember":
      return joinerFlaw(plan, fault.target, `${place}.target`);
    case "changeMembers":
      return (
        firstOf(fault.add, (name, at) => joinerFlaw(plan, name, `${place}.add[${at}]`)) ??
        firstOf(fault.addLearners, (name, at) => joinerFlaw(plan, name, `${place}.addLearners[${at}]`)) ??
        firstOf(fault.remove, (name, at) => memberFlaw(plan, name, `${place}.remove[${at}]`, roles)) ??
        firstOf(fault.promote, (name, at) => memberFlaw(plan, name, `${place}.promote[${at}]`, [])) ??
        firstOf(fault.demote, (name, at) => memberFlaw(plan, name, `${place}.demote[${at}]`, roles))
      );
    case "promoteMember":
      return memberFlaw(plan, fault.target, `${place}.target`, []);
    case "cutOneWay":
      return memberFlaw(plan, fault.from, `${place}.from`, roles) ?? memberFlaw(plan, fault.to, `${place}.to`, roles);
    case "partition":
      return groupsFlaw(plan, fault.groups, `${place}.groups`);
    case "healCore":
      return namesFlaw(plan, fault.members, `${place}.members`);
    default:
      return "target" in fault ? memberFlaw(plan, fault.target, `${place}.target`, roles) : undefined;
  }
}

function firstOf(names: readonly string[], look: (name: string, at: number) => Flaw | undefined): Flaw | undefined {
  for (const [position, name] of names.entries()) {
    const flaw = look(name, position);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

function groupsFlaw(plan: Plan, groups: readonly (readonly string[])[], place: string): Flaw | undefined {
  const seen = new Set<string>();
  for (const [position, group] of groups.entries()) {
    const flaw = namesFlaw(plan, group, `${place}[${position}]`);
    if (flaw !== undefined) return flaw;
    for (const [turn, name] of group.entries()) {
      if (seen.has(name)) {
        const problem = `${shown(name)} is in a group already`;
        return { place: `${place}[${position}][${turn}]`, problem, remedy: "name each member once" };
      }
      seen.add(name);
    }
  }
  return undefined;
}

function namesFlaw(plan: Plan, names: readonly string[], place: string): Flaw | undefined {
  for (const [position, name] of names.entries()) {
    const flaw = memberFlaw(plan, name, `${place}[${position}]`, []);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

function memberFlaw(plan: Plan, name: string, place: string, others: readonly string[]): Flaw | undefined {
  const known = [...plan.members.map((member) => member.name), ...others];
  return known.includes(name)
    ? undefined
    : { place, problem: `${shown(name)} is no member`, remedy: `write one of ${known.join(", ")}` };
}

function joinerFlaw(plan: Plan, name: string, place: string): Flaw | undefined {
  const joiners = plan.members.filter((member) => member.joins === true).map((member) => member.name);
  if (joiners.includes(name)) return undefined;
  const remedy = joiners.length === 0 ? "plan a member with joins: true" : `write one of ${joiners.join(", ")}`;
  return { place, problem: `${shown(name)} is no member that joins later`, remedy };
}

function labelFlaw(
  plan: Plan,
  { fault, atMs, place }: { readonly fault: Fault; readonly atMs: number; readonly place: string },
): Flaw | undefined {
  if (fault.fault !== "restoreDisk") return undefined;
  const { label } = fault;
  const copied = plan.faults.some(
    (other) => other.fault.fault === "copyDisk" && other.fault.label === label && other.atMs <= atMs,
  );
  if (copied) return undefined;
  const problem = `no copyDisk of label ${shown(label)} comes before`;
  return { place: `${place}.label`, problem, remedy: "add one, or remove this fault too" };
}

function restFlaw(plan: Plan): Flaw | undefined {
  if (plan.syncMs.min > plan.syncMs.max) {
    const problem = `min ${plan.syncMs.min} is above max ${plan.syncMs.max}`;
    return { place: "plan.syncMs", problem, remedy: "swap them" };
  }
  return delaysFlaw(plan.link, "plan.link") ?? coreFlaw(plan) ?? checksFlaw(plan);
}

function delaysFlaw(law: LinkLaw, place: string): Flaw | undefined {
  if (law.minDelayMs <= law.maxDelayMs) return undefined;
  const problem = `minDelayMs ${law.minDelayMs} is above maxDelayMs ${law.maxDelayMs}`;
  return { place, problem, remedy: "swap them" };
}

/** A minority that is healed owes no progress. Members that are there to be added count once something adds them. */
function coreFlaw(plan: Plan): Flaw | undefined {
  const { core } = plan.phases;
  if (core === undefined) return undefined;
  const place = "plan.phases.core";
  const added = new Set(plan.faults.flatMap(({ fault }) => addedBy(fault)));
  const belonging = plan.members.filter(({ name, joins }) => joins !== true || added.has(name));
  const quorum = Math.floor(belonging.length / 2) + 1;
  const flaw = namesFlaw(plan, core, place);
  if (flaw !== undefined) return flaw;
  if (new Set(core).size >= quorum) return undefined;
  const problem = `names ${new Set(core).size} members, fewer than a quorum`;
  return { place, problem, remedy: `name at least ${quorum}, or remove it to heal all` };
}

function addedBy(fault: Fault): readonly string[] {
  if (fault.fault === "addMember") return [fault.target];
  return fault.fault === "changeMembers" ? [...fault.add, ...fault.addLearners] : [];
}

function checksFlaw({ checks, meant }: Plan): Flaw | undefined {
  if (meant !== undefined && !checks.includes(meant.violated)) {
    const problem = `${shown(meant.violated)} is not among the checks of the plan`;
    return { place: "plan.meant.violated", problem, remedy: "name one of plan.checks, or remove plan.meant" };
  }
  for (const [position, check] of checks.entries()) {
    if (checkNames.includes(check)) continue;
    const problem = `${shown(check)} is no check`;
    return { place: `plan.checks[${position}]`, problem, remedy: `write one of ${checkNames.join(", ")}` };
  }
  return undefined;
}

// ---- writing ---------------------------------------------------------------------------------------------------

/** Longest line that holds a whole object or list. */
const lineMax = 160;

/** The text of a plan file: small parts on one line, larger ones one part a line, in the order of plan.ts. */
export function serialisePlan(plan: Plan): string {
  return `${pretty(plan, "")}\n`;
}

function pretty(value: unknown, indent: string): string {
  const line = JSON.stringify(value);
  if (typeof value !== "object" || value === null || indent.length + line.length <= lineMax) return line;
  const inner = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((item) => `${inner}${pretty(item, inner)}`)
    : Object.entries(value).map(([field, own]) => `${inner}${JSON.stringify(field)}: ${pretty(own, inner)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  return `${open}\n${parts.join(",\n")}\n${indent}${close}`;
}
