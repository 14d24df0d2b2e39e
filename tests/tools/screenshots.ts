/**
 * Draws the pictures of the README: the report of its first probe, measured now,
 * and the live page after five minutes of a server whose numbers move.
 *
 *     deno task pictures
 *
 * Port 1050 must be free, and Chromium installed.
 *
 * @module
 */

import { contentSecurityPolicy, PAGE } from "../../lib/admin/page.ts";
import { Updates } from "../../lib/admin/updates.ts";
import { parseCommandLine } from "../../lib/cli/command.ts";
import { parseTarget, resolveProbe } from "../../lib/probe/options.ts";
import { runProbe } from "../../lib/probe/runner.ts";
import { textReport } from "../../lib/probe/text_report.ts";
import { CHROMIUM, startChromium } from "../support/chromium.ts";
import { FakeAdminSource } from "../support/fake_admin_source.ts";
import { Program } from "../support/program.ts";

const README = new URL("../../README.md", import.meta.url);
/** Where the README has them. */
const FOLDER = new URL("../../.github/", import.meta.url);

/** Seconds that the live page shows. */
const SHOWN = 5 * 60;
const SCHEMES = ["light", "dark"] as const;
/** Pixels; the picture is as high as the page. */
const VIEWPORT = { width: 1000, height: 720 };

const WIDTH = 80;

/** Pixels of a character and of the picture's edge. */
const CHARACTER = { width: 8.43, height: 18, size: 14 };
const EDGE = 16;

/** What a terminal's codes look like, on what and in what else. */
const COLOURS: Record<string, string> = {
  "1": 'font-weight="bold"',
  "2": 'fill="#9198a1"',
  "31": 'fill="#ff7b72"',
  "32": 'fill="#3fb950"',
  "36": 'fill="#39c5cf"',
};
const PAPER = "#0d1117";
const INK = "#f0f6fc";

async function drawReport(): Promise<void> {
  const [line, words] = (await Deno.readTextFile(README))
    .match(/^deno run .* main\.ts (probe .*)$/m)!;
  const command = await parseCommandLine(words!.split(" "));
  if (command.name !== "probe") throw new Error(`${line} is no probe`);
  await using server = Program.spawn([]);
  await server.saw(/listening on/);
  const target = parseTarget(command.address);
  const settings = resolveProbe(command.options, target);
  const result = await runProbe(target, settings);
  const report = textReport(result, settings, { width: WIDTH, colour: true });
  await Deno.writeTextFile(
    new URL("probe.svg", FOLDER),
    terminal([`$ ${line}`, ...report.trimEnd().split("\n")]),
  );
}

/** Lines with a terminal's codes, as a picture. */
function terminal(lines: string[]): string {
  const { width, height, size } = CHARACTER;
  const [across, down] = [
    Math.ceil(WIDTH * width) + 2 * EDGE,
    lines.length * height + 2 * EDGE,
  ];
  const rows = lines.map((line, index) =>
    `<text x="${EDGE}" y="${EDGE + index * height + size}">${
      spans(line)
    }</text>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${across} ${down}" width="${across}" height="${down}">
<rect width="100%" height="100%" rx="6" fill="${PAPER}"/>
<g fill="${INK}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="${size}">
${rows.join("\n")}
</g>
</svg>
`;
}

/** Text between codes, each as the codes before it ask for. */
function spans(line: string): string {
  // What is split off stands between: text, codes, text, codes, text.
  // deno-lint-ignore no-control-regex -- they are what is looked for
  const parts = line.split(/\x1b\[([\d;]*)m/);
  let style = "";
  return parts.map((part, index) => {
    if (index % 2 === 0) return `<tspan${style}>${escaped(part)}</tspan>`;
    const attributes = part.split(";").map((code) => COLOURS[code] ?? "");
    style = attributes.join("") && ` ${attributes.join(" ")}`;
    return "";
  }).join("").replaceAll("<tspan></tspan>", "");
}

/** Spaces are kept only if nothing may break there. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(" ", "\u00a0");
}

async function drawPage(): Promise<void> {
  await using server = await servePage();
  const browser = await startChromium();
  for (const colorScheme of SCHEMES) {
    const page = await browser.newPage({ viewport: VIEWPORT, colorScheme });
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    await page.locator('body[data-state="ready"]').waitFor();
    const path = new URL(`page-${colorScheme}.png`, FOLDER).pathname;
    await page.screenshot({ path, fullPage: true });
    await page.close();
  }
  await browser.close();
}

/** Serves the page with a stream that has told everything, and stays open. */
async function servePage(): Promise<Deno.HttpServer<Deno.NetAddr>> {
  const events = new TextEncoder().encode(await updates());
  const policy = await contentSecurityPolicy();
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) =>
      url.endsWith("/events")
        ? new Response(
          new ReadableStream({ start: (stream) => stream.enqueue(events) }),
          { headers: { "Content-Type": "text/event-stream" } },
        )
        : new Response(PAGE, {
          headers: {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy,
          },
        }),
  );
}

/** The updates of all that is shown. */
async function updates(): Promise<string> {
  let now = 0;
  const updates = new Updates(
    new FakeAdminSource("echo-fra-1", { trouble: false }),
    () => now,
  );
  let events = "";
  for (now = 1; now <= SHOWN; now++) {
    events += `data: ${JSON.stringify(await updates.next())}\n\n`;
  }
  return events;
}

if (import.meta.main) {
  await drawReport();
  if (CHROMIUM) await drawPage();
  else console.error("No Chromium: the pictures of the page are left out");
  Deno.exit();
}
