/*
 * Figure 8 of the Raft paper on three members: leaders come and go, and one comes back with an entry of an earlier term
 * that nobody else has. Appends carry one entry each, so that the old entry can be on a majority without the new one.
 */
import { noBudgets, type SmallScenario } from "./small-scenario.ts";

const earlierTerms: SmallScenario = {
  name: "earlier-terms",
  why: "An entry of an earlier term is not committed because a majority holds it: a later leader may still lack it.",
  members: 3,
  config: { preVote: false, checkQuorum: false, appendBytesMax: 0 },
  slowDisks: false,
  asksOthers: false,
  links: "ordered",
  start: "blank",
  budgets: { ...noBudgets, timeouts: 4 },
};

export default earlierTerms;
