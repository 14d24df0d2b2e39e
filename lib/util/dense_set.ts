/**
 * A set for members that come and go by the thousand.
 *
 * @module
 */

/** A member, which knows its place: at most one set can have it. */
export interface Placed {
  /** Where it is in the set; the set's own. */
  place: number;
}

/**
 * A set in one array without gaps: the last member takes the place of one that
 * is deleted.
 *
 * A `Set` lays out its table anew every few dozen deletions, and each table
 * refers to the next and to all members of its time. Once one is old for the
 * garbage collector, no member dies before the next full collection: that costs
 * a connection more than all else that is done for it here.
 */
export class DenseSet<T extends Placed> implements Iterable<T> {
  readonly #members: T[] = [];

  /** How many members there are. */
  get size(): number {
    return this.#members.length;
  }

  /** Adds one that is not a member. */
  add(member: T): void {
    member.place = this.#members.push(member) - 1;
  }

  /** Deletes a member; another one is left alone. */
  delete(member: T): void {
    const { place } = member;
    if (this.#members[place] !== member) return;
    const last = this.#members.pop()!;
    if (last === member) return;
    this.#members[place] = last;
    last.place = place;
  }

  /**
   * The members, in no order. Any may be deleted meanwhile; those that are added
   * may be left out.
   */
  *[Symbol.iterator](): Generator<T, void> {
    // Backwards: what takes the place of a deleted one has been visited.
    for (let place = this.#members.length - 1; place >= 0; place--) {
      const member = this.#members[place];
      if (member) yield member;
    }
  }
}
