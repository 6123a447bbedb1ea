/*
 * Elections on slow disks with crashes in between. A vote that left before it was durable could be given twice.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const votesAndCrashes: SmallScenario = {
  name: "votes-and-crashes",
  why: "A term has one leader, whatever a crash takes from a disk between a vote and its answer.",
  members: 3,
  config: { preVote: false, checkQuorum: false },
  slowDisks: true,
  asksOthers: false,
  links: "ordered",
  start: "blank",
  budgets: { ...noBudgets, timeouts: 2, crashes: 1 },
};

export default votesAndCrashes;
