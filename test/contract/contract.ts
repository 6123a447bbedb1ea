/*
 * What contracts of a disk share: a subject that lives for one test, and tests that run only where power can be lost.
 */
import { test } from "vitest";

export interface Contract<Subject extends { close(): Promise<void> }> {
  readonly name: string;
  /** False: skips the tests that need it, and says so in their names. */
  readonly canLosePower: boolean;
  /** Different seeds may lose different parts. */
  open(seed: number): Promise<Subject>;
}

export interface ContractTests<Subject> {
  readonly withSubject: (seed: number, body: (subject: Subject) => Promise<void>) => Promise<void>;
  /** Where power cannot be lost the name says why the test is skipped. */
  readonly powerTest: (name: string, body: () => Promise<void>) => void;
}

export function testsOf<Subject extends { close(): Promise<void> }>(
  contract: Contract<Subject>,
): ContractTests<Subject> {
  return {
    withSubject: async (seed, body) => {
      const subject = await contract.open(seed);
      try {
        await body(subject);
      } finally {
        await subject.close();
      }
    },
    powerTest: (name, body) => {
      if (contract.canLosePower) test(name, body);
      else test.skip(`${name} (skipped: a process cannot take the power from the machine it runs on)`, body);
    },
  };
}
