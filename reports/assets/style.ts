/*
 * Style of every generated page. No font, image or sheet from anywhere else: a page must open from a file, offline.
 * Colours of the lanes live here as variables; the page's script reads them, so light and dark agree.
 */

export const style = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f5f7f9; --line: #d8dee4; --text: #1c2430; --quiet: #5d6876;
  --holds: #1a7f4b; --violated: #c5221f; --uncertain: #a86500; --link: #1f5fbf;
  --ok: #4a90d9; --refused: #9aa5b1; --unknown: #e8a317; --open: #c9a6f0; --evidence: #d81e1e;
  --leader: #2f9e63; --candidate: #f0b429; --pre: #f7d98a; --follower: #c9d6e4; --down: #3d4651; --paused: #9b6fd0;
  --unseen: #eceff2; --fault: #b3261e; --reply: #2f7fc4; --progress: #7fa8cc; --laneText: #10202e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14181d; --panel: #1c2229; --line: #323b46; --text: #e4e9ef; --quiet: #9aa6b4;
    --holds: #54c98a; --violated: #ff7b72; --uncertain: #f0b429; --link: #82b4ff;
    --ok: #4a90d9; --refused: #6d7884; --unknown: #e8a317; --open: #8f6cc0; --evidence: #ff5a52;
    --leader: #2f9e63; --candidate: #d99e1b; --pre: #8d7433; --follower: #3c4a5a; --down: #0b0d10; --paused: #7b52b0;
    --unseen: #20262d; --fault: #ff7b72; --reply: #5aa5e6; --progress: #49708f; --laneText: #f4f7fa;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1500px; margin: 0 auto; padding: 20px 28px 60px; }
h1 { font-size: 22px; margin: 0; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 30px 0 10px; font-weight: 650; }
p { margin: 6px 0; }
a { color: var(--link); }
code, .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
.head { display: flex; align-items: center; gap: 14px; flex-wrap: wrap; }
.badge { display: inline-block; padding: 2px 12px; border-radius: 999px; font-weight: 650; color: #fff; white-space: nowrap; }
.badge.holds { background: #1a7f4b; } .badge.violated { background: #c5221f; } .badge.unknown { background: #a86500; }
.word.holds { color: var(--holds); } .word.violated { color: var(--violated); } .word.unknown { color: var(--uncertain); }
.word { font-weight: 650; white-space: nowrap; }
.facts { display: flex; flex-wrap: wrap; gap: 6px 26px; margin: 12px 0 4px; padding: 0; }
.facts div { display: flex; gap: 7px; } .facts dt { color: var(--quiet); } .facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.finding { border-left: 4px solid var(--violated); background: var(--panel); padding: 7px 12px; margin: 10px 0 0; }
.repeat { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 7px 12px; margin: 10px 0 0; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: 12.5px; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; }
td.name { white-space: nowrap; }
.scroll { overflow-x: auto; }
.violation { border: 1px solid var(--line); border-left: 4px solid var(--violated); border-radius: 6px; padding: 10px 14px; margin: 10px 0; background: var(--panel); }
.violation.unknown { border-left-color: var(--uncertain); }
.violation .rule { font-weight: 650; }
.violation table { margin-top: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 4px 0 8px; color: var(--quiet); font-size: 12.5px; }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
.legend i { width: 18px; height: 11px; border-radius: 2px; display: inline-block; }
.tools { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: center; margin: 6px 0 8px; }
button, input[type=search] { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 3px 11px; }
button:hover { border-color: var(--quiet); cursor: pointer; }
input[type=search] { width: 230px; }
.tools label { display: inline-flex; gap: 6px; align-items: center; }
.hint { color: var(--quiet); font-size: 12.5px; }
.frame { border: 1px solid var(--line); border-radius: 8px; background: var(--ground); }
.frame .top { position: sticky; top: 0; z-index: 2; background: var(--ground); border-bottom: 1px solid var(--line); border-radius: 8px 8px 0 0; }
canvas { display: block; width: 100%; }
#overview { cursor: crosshair; } #lanes { cursor: grab; touch-action: pan-y; } #lanes.dragging { cursor: grabbing; }
#tip { position: fixed; z-index: 5; pointer-events: none; display: none; max-width: 560px; background: var(--ground); border: 1px solid var(--quiet); border-radius: 6px; padding: 7px 11px; box-shadow: 0 4px 18px rgb(0 0 0 / .25); font-size: 12.5px; overflow-wrap: anywhere; }
#tip b { font-weight: 650; } #tip .quiet { color: var(--quiet); }
#picked { min-height: 46px; margin-top: 8px; padding: 8px 14px; border: 1px solid var(--line); border-radius: 6px; background: var(--panel); overflow-wrap: anywhere; }
details { margin: 12px 0; } summary { cursor: pointer; font-weight: 600; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 10px 14px; overflow: auto; max-height: 420px; font-size: 12px; }
.quiet { color: var(--quiet); }
footer { margin-top: 40px; color: var(--quiet); font-size: 12.5px; }
@media print { .tools, #picked { display: none; } }
`;
