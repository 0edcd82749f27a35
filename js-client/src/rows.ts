/** … connection → writes → **rows** → subscription → collection → …
 *
 *  What is on the screen = what the server has told + the unsettled writes on top.
 *  A row that says the same stays the same object, so that adapters can tell by `===`.
 */

import type { Data, Pk } from './protocol.ts'
import type { Write } from './writes.ts'

/** What a row knows beside its fields. */
export interface RowExtras {
  /** The same for as long as the row is on the screen, before and after the server has given it a pk. */
  readonly $key: string
  /** Undefined until the server has made the row. */
  readonly $pk: Pk | undefined
  /** An own write to it is not answered yet. */
  readonly $pending: boolean
}

export type AnyRow = Data & RowExtras

/** The row as everybody gets it: frozen. */
export const toRow = (data: Data, $key: string, $pk: Pk | undefined, $pending: boolean): AnyRow =>
  Object.freeze({ ...data, $key, $pk, $pending })

/** Return `old` if `row` says nothing new. */
export const keep = (old: AnyRow | undefined, row: AnyRow): AnyRow => (old && same(old, row) ? old : row)

/** A row with a write on top, and what it was made of. */
interface Laid {
  below: AnyRow | undefined
  data: Data | undefined
  pk: Pk | undefined
  row: AnyRow
}

/** What is shown, and how it came about. */
export class Screen {
  rows: readonly AnyRow[] = Object.freeze([])
  readonly #laid = new WeakMap<Write, Laid>()

  /** It shows `told`, which is by the string form of the pk, with `writes` on top, oldest first. */
  draw(told: ReadonlyMap<string, AnyRow>, writes: readonly Write[]): void {
    const screen = new Map(told)
    for (const write of writes) {
      const below = screen.get(write.row)
      if (write.action === 'delete') screen.delete(write.row)
      else if (write.action === 'create' || below) screen.set(write.row, this.#lay(write, below))
    }
    const rows = [...screen.values()]
    const unchanged = rows.length === this.rows.length && rows.every((row, index) => row === this.rows[index])
    if (!unchanged) this.rows = Object.freeze(rows)
  }

  /** Return the row with the write on top of what is `below`: the one of last time, if nothing has changed since. */
  #lay(write: Write, below: AnyRow | undefined): AnyRow {
    const { data, pk, ref } = write
    const last = this.#laid.get(write)
    if (last && last.below === below && last.data === data && last.pk === pk) return last.row
    const row = keep(last?.row, toRow({ ...below, ...data }, below?.$key ?? ref, below?.$pk ?? pk, true))
    this.#laid.set(write, { below, data, pk, row })
    return row
  }
}

/** Whether two values of JSON say the same. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (!isObject(a) || !isObject(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && same(a[key], b[key]))
  )
}

const isObject = (value: unknown): value is Data => typeof value === 'object' && value !== null
