/*
 * A leader that answers reads while another is elected, and writes, behind its back. What proves leadership for one
 * read proves nothing for a read that came later.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const deposedReader: SmallScenario = {
  name: "deposed-reader",
  why: "A leader that was deposed without noticing answers no read with what is out of date.",
  members: 3,
  config: { preVote: false, checkQuorum: false },
  slowDisks: false,
  asksOthers: false,
  links: "ordered",
  start: "led",
  budgets: { ...noBudgets, timeouts: 1, writes: 1, reads: 2 },
};

export default deposedReader;
