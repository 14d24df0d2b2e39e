/**
 * What serves connections. Loaded once listeners are bound, while clients wait
 * in their backlog.
 *
 * @module
 */

export { reads } from "../connection/read_scheduler.ts";
export { Counters } from "../telemetry/counters.ts";
export { drain, kernelHolds } from "./drain.ts";
export { ServedConnection } from "./served_connection.ts";
export { makeService } from "./service.ts";
