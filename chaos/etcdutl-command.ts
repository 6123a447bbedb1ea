#!/usr/bin/env node
/*
 * faultline-etcdutl: `faultline etcdutl` as a program of its own, etcd's own tool for files.
 */
import { runProgram } from "../reports/exit-code.ts";
import { run } from "./ctl/etcdutl.ts";

await runProgram(run);
