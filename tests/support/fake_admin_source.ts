/**
 * An echo server as the admin server sees it, whose numbers move.
 *
 * @module
 */

import type { AdminSnapshot, AdminSource } from "../../lib/admin/source.ts";
import type { ConnectionInfo } from "../../lib/telemetry/snapshot.ts";
import {
  Counters,
  ENDINGS,
  REJECT_REASONS,
} from "../../lib/telemetry/counters.ts";
import type { Ending } from "../../lib/telemetry/events.ts";
import { Random } from "./random.ts";
import deno from "../../deno.json" with { type: "json" };

const TCP = "tcp://127.0.0.1:1050";
const TLS = "tls://[2001:db8::7]:1051";
const UNIX = "unix:/run/echoserver/echo.sock";
const UDP = "udp://127.0.0.1:1050";

/** How many connections are open, about. */
const OPEN = 40;

/** How connections end where nothing goes wrong. */
const WELL: readonly Ending[] = ["closed", "closed", "closed", "idle"];

/** Each call of {@linkcode FakeAdminSource.snapshot} is a second of its life. */
export class FakeAdminSource implements AdminSource {
  readonly name: string;
  readonly version = deno.version;
  /** Whether it drains. */
  draining = false;
  /** Thrown in place of an answer. */
  failure: Error | undefined;
  /** How often it was asked for a snapshot. */
  asked = 0;

  readonly #trouble: boolean;
  readonly #random = new Random(1);
  readonly #counters = new Map(
    [TCP, TLS, UNIX, UDP].map((name) => [name, new Counters()]),
  );
  readonly #open: ConnectionInfo[] = [];
  #numbers = 0;

  /**
   * @param name What it is called.
   * @param options Whether a fault holds TLS back, a part was restarted, and
   * connections end in every way.
   */
  constructor(name = "echo-fra-1", { trouble = true } = {}) {
    this.name = name;
    this.#trouble = trouble;
    for (let i = 0; i < OPEN; i++) this.#accept(this.#random.below(4_000));
  }

  ready(): boolean {
    return !this.draining;
  }

  // deno-lint-ignore require-await -- errors reject, they are not thrown
  async snapshot(): Promise<AdminSnapshot> {
    if (this.failure) throw this.failure;
    this.asked++;
    this.#live();
    const listeners = [...this.#counters].map(([listener, counters]) => ({
      listener,
      ...counters.snapshot(this.#movedOn(listener)),
    }));
    return { listeners, restarts: this.#trouble ? 1 : 0 };
  }

  connections(
    limit: number,
  ): Promise<{ total: number; connections: ConnectionInfo[] }> {
    return Promise.resolve({
      total: this.#open.length,
      connections: this.#open.slice(0, limit).map((of) => ({ ...of })),
    });
  }

  /** Opens so many connections more. */
  crowd(count: number): void {
    for (let i = 0; i < count; i++) this.#accept(0);
  }

  #live(): void {
    for (const of of this.#open) this.#move(of);
    this.#datagrams();
    if (this.draining) {
      for (let i = OPEN / 4; i > 0; i--) this.#close();
      return;
    }
    for (let i = this.#random.below(4); i > 0; i--) this.#accept(0);
    while (this.#open.length > OPEN) this.#close();
    if (this.#random.below(8) === 0) {
      const counters = this.#counters.get(this.#random.pick([TCP, TLS]))!;
      counters.accept();
      counters.reject(this.#random.pick(REJECT_REASONS));
    }
    if (this.#random.below(60) === 0) this.#counters.get(TCP)!.abort();
  }

  #accept(seconds: number): void {
    const connection = ++this.#numbers;
    const listener = this.#random.pick([TCP, TCP, TLS, UNIX]);
    const port = 32_768 + this.#random.below(28_000);
    const peer = listener === UNIX
      ? "unix:"
      : listener === TLS
      ? `[2001:db8:a0b:12f0::${this.#random.below(4096).toString(16)}]:${port}`
      : `198.51.100.${this.#random.below(256)}:${port}`;
    const client = listener === TCP && this.#random.below(3) === 0
      ? `203.0.113.${this.#random.below(256)}:${port}`
      : peer;
    this.#counters.get(listener)!.accept();
    this.#open.push({
      connection,
      listener,
      peer,
      client,
      bytesIn: 0,
      bytesOut: 0,
      seconds,
    });
  }

  #move(of: ConnectionInfo): void {
    of.seconds++;
    const wave = 1.2 + Math.sin(this.asked / 29) + 0.3 * Math.sin(this.asked);
    const weight = 1 / (1 + of.connection % 17) ** 2;
    const bytes = Math.round(
      600_000 * wave * weight * (0.8 + this.#random.below(40) / 100),
    );
    of.bytesIn += bytes;
    // The fault gives back at most so many a second.
    const heldBack = this.#trouble && of.listener === TLS;
    of.bytesOut += heldBack ? Math.min(bytes, 90_000) : bytes;
  }

  #close(): void {
    const [of] = this.#open.splice(this.#random.below(this.#open.length), 1);
    if (!of) return;
    const ending = this.draining
      ? "drained"
      : this.#random.pick(this.#trouble ? [...WELL, ...ENDINGS] : WELL);
    const { bytesIn, bytesOut, seconds } = of;
    this.#counters.get(of.listener)!.close(ending, seconds, bytesIn, bytesOut);
  }

  #datagrams(): void {
    const counters = this.#counters.get(UDP)!;
    for (let i = this.#random.below(90); i > 0; i--) {
      counters.datagramIn(512);
      counters.datagramOut(512);
    }
  }

  #movedOn(listener: string): { bytesIn: number; bytesOut: number } {
    const moved = { bytesIn: 0, bytesOut: 0 };
    for (const of of this.#open.filter((of) => of.listener === listener)) {
      moved.bytesIn += of.bytesIn;
      moved.bytesOut += of.bytesOut;
    }
    return moved;
  }
}
