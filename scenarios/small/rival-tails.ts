/*
 * A deposed leader with a long tail that nobody else has, against a shorter log that is committed.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const rivalTails: SmallScenario = {
  name: "rival-tails",
  why: "A longer log of older terms wins no election over what a majority has committed.",
  members: 3,
  config: { preVote: false, checkQuorum: false },
  slowDisks: false,
  asksOthers: false,
  links: "ordered",
  start: "blank",
  budgets: { ...noBudgets, timeouts: 3, writes: 1 },
};

export default rivalTails;
