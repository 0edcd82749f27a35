/** Rows that arrive while somebody reads: marked for a moment, and kept back while the reader is further down, so that
 *  what is being read does not move. */

import type { RowExtras } from 'channels-databinding'

const FRESH_MS = 6_000

/** Made reactive by the component that holds it, so it has no private fields: a proxy cannot reach those. */
export const arrivals = () => ({
  /** Keys of rows that wait above until the reader wants them. */
  waiting: [] as readonly string[],
  /** Keys of rows that have just come. */
  fresh: [] as readonly string[],
  /** Keys of all rows; undefined until the first are there. */
  known: undefined as ReadonlySet<string> | undefined,

  /** These are the rows now, and `isAway` says whether the reader is further down. Returns the keys of those that
   *  somebody else has added. */
  look(rows: readonly RowExtras[], isAway: boolean): readonly string[] {
    const keys = new Set(rows.map(row => row.$key))
    const { known = keys } = this
    const arrived = rows.filter(row => !known.has(row.$key) && !row.$pending).map(row => row.$key)
    this.known = keys
    this.waiting = this.waiting.filter(key => keys.has(key))
    if (isAway) this.waiting = [...this.waiting, ...arrived]
    else this.mark(arrived)
    return arrived
  },

  /** The reader wants to see what waits. */
  show() {
    this.mark(this.waiting)
    this.waiting = []
  },

  mark(keys: readonly string[]) {
    if (keys.length === 0) return
    this.fresh = [...this.fresh, ...keys]
    setTimeout(() => (this.fresh = this.fresh.filter(key => !keys.includes(key))), FRESH_MS)
  },
})
