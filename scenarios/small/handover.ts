/*
 * A leader is asked to hand over while it writes, with pre-vote and check-quorum as members have them.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const handover: SmallScenario = {
  name: "handover",
  why: "A leader that hands over leaves behind nothing that its successor lacks.",
  members: 3,
  config: {},
  slowDisks: false,
  asksOthers: false,
  links: "ordered",
  start: "led",
  budgets: { ...noBudgets, timeouts: 1, writes: 1, transfers: 1 },
};

export default handover;
