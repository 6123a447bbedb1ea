/*
 * A new leader holds what its predecessor acknowledged but does not know yet that it is committed.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const newLeaderReads: SmallScenario = {
  name: "new-leader-reads",
  why: "A new leader answers no read before it knows what its predecessors acknowledged.",
  members: 3,
  config: { preVote: false, checkQuorum: false },
  slowDisks: false,
  asksOthers: false,
  links: "ordered",
  start: "led",
  budgets: { ...noBudgets, timeouts: 1, writes: 1, reads: 1 },
};

export default newLeaderReads;
