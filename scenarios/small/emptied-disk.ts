/*
 * A member that acknowledged a write comes back with an empty disk. It finds out by asking, and must not count until it
 * has learned enough, or it would help to elect somebody who lacks the write.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const emptiedDisk: SmallScenario = {
  name: "emptied-disk",
  why: "A member whose disk was emptied brings nobody into office who lacks what it once acknowledged.",
  members: 3,
  config: { preVote: false, checkQuorum: false },
  slowDisks: false,
  asksOthers: true,
  links: "ordered",
  start: "told",
  budgets: { ...noBudgets, timeouts: 1, wipes: 1, writes: 1 },
};

export default emptiedDisk;
