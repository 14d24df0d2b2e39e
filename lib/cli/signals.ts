/**
 * What signals ask for, as the program hears them.
 *
 * @module
 */

/** What signals ask for. */
export interface Signals {
  /** Aborts when a shutdown is asked for. */
  readonly shutdown: AbortSignal;
  /** Hears `state`, and `hangup` where that is no shutdown. */
  readonly requests: EventTarget;
}
