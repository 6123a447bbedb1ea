/*
 * Writes on slow disks with a crash in between. An acknowledgement that left before the entry was durable could make a
 * majority of members that no longer hold it.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const acknowledgedAndCrashed: SmallScenario = {
  name: "acknowledged-and-crashed",
  why: "What was acknowledged to a client outlives a crash that takes everything not yet on a disk.",
  members: 3,
  config: { preVote: false, checkQuorum: false },
  slowDisks: true,
  asksOthers: false,
  links: "ordered",
  start: "led",
  budgets: { ...noBudgets, timeouts: 1, crashes: 1, writes: 1 },
};

export default acknowledgedAndCrashed;
