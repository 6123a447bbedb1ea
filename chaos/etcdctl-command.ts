#!/usr/bin/env node
/*
 * faultline-etcdctl: `faultline etcdctl` as a program of its own, etcd's own client for the command line.
 */
import { runProgram } from "../reports/exit-code.ts";
import { runWithHandles } from "./member/handles.ts";

await runProgram((argv) => runWithHandles("etcdctl", () => import("./ctl/etcdctl.ts"), argv));
