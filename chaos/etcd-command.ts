#!/usr/bin/env node
/*
 * faultline-etcd: `faultline etcd` as a program of its own, one etcd-compatible member.
 */
import { runProgram } from "../reports/exit-code.ts";
import { run } from "./member/main.ts";

await runProgram(run);
