/*
 * The defaults of a member: pre-vote, check-quorum, and a start that asks the others what may have been forgotten.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const asConfigured: SmallScenario = {
  name: "as-configured",
  why: "With pre-vote, check-quorum and questions at the start, a change of leaders loses nothing.",
  members: 3,
  config: {},
  slowDisks: false,
  asksOthers: true,
  links: "ordered",
  start: "led",
  budgets: { ...noBudgets, timeouts: 2, crashes: 1, writes: 1 },
};

export default asConfigured;
