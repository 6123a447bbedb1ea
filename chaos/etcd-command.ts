#!/usr/bin/env node
/*
 * faultline-etcd: `faultline etcd` as a program of its own, one etcd-compatible member.
 */
import { runProgram } from "../reports/exit-code.ts";
import { runWithHandles } from "./member/handles.ts";

await runProgram((argv) => runWithHandles("etcd", () => import("./member/main.ts"), argv));
