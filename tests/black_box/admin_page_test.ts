/**
 * The admin page in a real browser.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ConsoleMessage, Page } from "playwright-core";
import { AdminServer } from "../../lib/admin/server.ts";
import { CHROMIUM, startChromium } from "../support/chromium.ts";
import { FakeAdminSource } from "../support/fake_admin_source.ts";
import { GUARD, PROGRAM } from "../support/program.ts";

if (PROGRAM && !CHROMIUM) {
  console.log(
    "The tests of the admin page are ignored: Chromium is not installed.",
  );
}

/** Milliseconds without an update after which the page has lost touch. */
const PATIENCE = 5000;

/** A page that is open, and what its console says. */
interface Opened {
  page: Page;
  console: string[];
  source: FakeAdminSource;
  server: AdminServer;
}

function test(
  name: string,
  fn: (opened: Opened) => Promise<void>,
  source = () => new FakeAdminSource(),
): void {
  Deno.test({
    name: `the admin page ${name}`,
    ignore: !CHROMIUM,
    // Playwright keeps pipes and timers of its own.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: () => withPage(source(), fn),
  });
}

async function withPage(
  source: FakeAdminSource,
  fn: (opened: Opened) => Promise<void>,
): Promise<void> {
  await using server = await AdminServer.start(
    { host: "127.0.0.1", port: 0 },
    source,
  );
  await using browser = await startChromium();
  const page = await browser.newPage();
  await page.clock.install();
  page.setDefaultTimeout(GUARD);
  const said: string[] = [];
  page.on("console", (message: ConsoleMessage) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.addr.port}/`);
  await fn({ page, console: said, source, server });
}

/** Waits until the text of an element matches. */
async function shows(
  page: Page,
  selector: string,
  text: RegExp,
): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor();
}

test("shows numbers that live, without a word in the console", async (opened) => {
  const { page, console } = opened;
  await shows(page, "#state", /^Ready$/);
  await shows(page, "h1", /^echo-fra-1$/);
  await shows(page, "#about", /echoserver \d+\.\d+\.\d+/);
  await shows(page, "#received", /^\d+(\.\d+)?[kMG]?B\/s$/);
  await shows(page, "#listeners", /tcp:\/\/127\.0\.0\.1:1050/);
  await shows(page, "#listeners", /udp:\/\/127\.0\.0\.1:1050/);
  assert.equal(await page.locator("#closed tr").count(), 6);
  assert.equal(await page.locator("#rejected tr").count(), 4);
  assert.equal(await page.locator("#busiest tr").count(), 10);
  await Promise.all(
    ["#accepted", "#received-all", "#sent-all", "#about"]
      .map(async (selector) => {
        const before = await page.locator(selector).textContent();
        await page.locator(selector).filter({ hasNotText: before! }).waitFor();
      }),
  );
  const line = await page.locator("#received-line").getAttribute("d");
  await page.locator(`#received-line:not([d="${line}"])`).waitFor({
    state: "attached",
  });
  assert.deepEqual(console, []);
});

test("says that the server drains", async ({ page, source, console }) => {
  await shows(page, "#state", /^Ready$/);
  source.draining = true;
  await shows(page, "#state", /^Draining$/);
  await shows(page, "#notice", /shutting down/);
  // Seconds of its life.
  for (let i = 0; i < 4; i++) await source.snapshot();
  await shows(page, "#nobody", /No connection is open/);
  assert.deepEqual(console, []);
});

test("says that it has lost touch, and comes back by itself", async (opened) => {
  const { page, server, source } = opened;
  await shows(page, "#state", /^Ready$/);
  const { hostname: host, port } = server.addr;
  await server.close();
  await shows(page, "#state", /^Lost touch$/);
  await shows(page, "#notice", /No update since .*Trying again/);
  await using _again = await AdminServer.start({ host, port }, source);
  await shows(page, "#state", /^Ready$/);
  assert.equal(await page.locator("#notice").textContent(), "");
});

test("says that it has lost touch with a server that is silent", async (opened) => {
  const { page, source } = opened;
  await shows(page, "#state", /^Ready$/);
  source.failure = new Error("busy");
  await page.clock.fastForward(PATIENCE);
  await shows(page, "#state", /^Lost touch$/);
  source.failure = undefined;
  await shows(page, "#state", /^Ready$/);
});

const MARKUP = "<img src=x onerror=alert(1)><script>alert(1)</script>";

test("shows names as they are, and runs nothing in them", async (opened) => {
  const { page, console } = opened;
  await page.locator("h1").filter({ hasText: MARKUP }).waitFor();
  assert.equal(await page.locator("h1").textContent(), MARKUP);
  assert.equal(await page.locator("img").count(), 0);
  assert.deepEqual(console, []);
}, () => new FakeAdminSource(MARKUP));

test("fits into narrow and wide windows", async ({ page }) => {
  for (const width of [320, 400, 1000]) {
    await page.setViewportSize({ width, height: 800 });
    await shows(page, "#received", /B\/s$/);
    const [wide, view] = await page.evaluate<number[]>(
      "[document.documentElement.scrollWidth, innerWidth]",
    );
    assert.ok(wide! <= view!, `${wide} pixels in ${view}`);
  }
});
