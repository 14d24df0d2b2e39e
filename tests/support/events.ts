/**
 * What a server has said of itself.
 *
 * @module
 */

import type { ServerEvent } from "../../lib/mod.ts";
import { inTime } from "./program.ts";

type Type = ServerEvent["type"];
type EventOf<T extends Type> = Extract<ServerEvent, { type: T }>;

/**
 * Keeps the events of a server: give it {@linkcode Events.hear} as `onEvent`.
 */
export class Events {
  readonly #all: ServerEvent[] = [];
  #news = Promise.withResolvers<void>();

  /** Hears an event. */
  readonly hear = (event: ServerEvent): void => {
    this.#all.push(event);
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  };

  /** Those of a type. */
  of<T extends Type>(type: T): EventOf<T>[] {
    return this.#all.filter((event) => event.type === type) as EventOf<T>[];
  }

  /** Waits until there are so many of a type, and gives the last of them. */
  saw<T extends Type>(type: T, count = 1): Promise<EventOf<T>> {
    const seen = async () => {
      while (this.of(type).length < count) await this.#news.promise;
      return this.of(type)[count - 1]!;
    };
    return inTime(`${count} events of type ${type}`, seen());
  }
}
