/** … connection → writes → **rows** → subscription → collection → …
 *
 *  What is on the screen = what the server has told + the unsettled writes on top. Pure.
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

/** Return the rows to show: `told` with `writes` on top, oldest first; or `shown` itself if that is what they are.
 *  `told` is by the string form of the pk. */
export function layOver(
  told: ReadonlyMap<string, AnyRow>,
  writes: readonly Write[],
  shown: readonly AnyRow[],
): readonly AnyRow[] {
  const screen = new Map(told)
  for (const { action, row: id, data = {}, ref, pk } of writes) {
    const row = screen.get(id)
    if (action === 'create') screen.set(id, toRow(data, ref, pk, true))
    else if (action === 'delete') screen.delete(id)
    else if (row) screen.set(id, toRow({ ...row, ...data }, row.$key, row.$pk, true))
  }
  // Told rows are kept where they are told; only those made here can be new objects that say nothing new.
  const before = new Map(writes.length > 0 ? shown.map(row => [row.$key, row]) : [])
  const rows = Array.from(screen.values(), row => (row.$pending ? keep(before.get(row.$key), row) : row))
  const unchanged = rows.length === shown.length && rows.every((row, index) => row === shown[index])
  return unchanged ? shown : Object.freeze(rows)
}

/** Whether two values of JSON say the same. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return false
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))]
  return (
    left.length === right.size && left.every(([key, value]) => right.has(key) && same(value, right.get(key)))
  )
}
