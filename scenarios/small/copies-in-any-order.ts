/*
 * A network that keeps no order and delivers a message twice, while a leader is replaced.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const copiesInAnyOrder: SmallScenario = {
  name: "copies-in-any-order",
  why: "Messages that arrive twice, and in any order, are as good as those that arrive as they were sent.",
  members: 3,
  config: { preVote: false, checkQuorum: false },
  slowDisks: false,
  asksOthers: false,
  links: "any",
  start: "led",
  budgets: { ...noBudgets, timeouts: 1, writes: 1, copies: 1 },
};

export default copiesInAnyOrder;
