/** … writes → subscription → **collection** → presence → demultiplexer
 *
 *  What a page holds: the rows of a subscription in the order it wants, and the three things it can do to them.
 */

import type { Liveness } from './liveness.ts'
import { type Pk, WriteError } from './protocol.ts'
import type { AnyRow, RowExtras } from './rows.ts'
import type { Subscription } from './subscription.ts'

/** A row as it is on the screen. Frozen: change it by `update`. */
export type Row<T extends object> = Readonly<T> & RowExtras

type Field<T extends object> = (keyof T & string) | '$pk'

/** A field, `-field` for descending, several of them, or a comparator as for `Array.sort`.
 *
 *  Strings are compared by code unit and null counts as the largest, as in PostgreSQL. What the server has still to
 *  make (`created` of a new row) counts as larger than all: it comes last, and first under `'-created'`, which is where
 *  the server's value will put it. Rows that are equal go by `$pk`, in the direction of the last field.
 *  A Decimal travels as a string, so it needs a comparator. */
export type Order<T extends object> =
  Field<T> | `-${Field<T>}` | readonly (Field<T> | `-${Field<T>}`)[] | ((a: Row<T>, b: Row<T>) => number)

/** What `update` and `delete` mean: a row, or its pk. */
export type Target = Pk | RowExtras

export class Collection<T extends object> {
  readonly #subscription: Subscription
  readonly #sort: (rows: readonly AnyRow[]) => readonly Row<T>[]
  #source: readonly AnyRow[] | undefined
  #rows: readonly Row<T>[] = []

  constructor(subscription: Subscription, order: Order<T>) {
    this.#subscription = subscription
    this.#sort = sorter(order)
  }

  /** The rows now, in order. The same array until something changes, and the same row until that row does. */
  get rows(): readonly Row<T>[] {
    const source = this.#subscription.view.rows
    if (source !== this.#source) {
      this.#source = source
      this.#rows = this.#sort(source)
    }
    return this.#rows
  }

  get status(): Liveness {
    return this.#subscription.view.status
  }

  /** Why the server refused to tell these rows, or null. */
  get error(): WriteError | null {
    return this.#subscription.view.error
  }

  /** Call `listener` at once, and whenever rows, status or error change. Returns what stops it.
   *  While anybody listens, the rows are kept live. */
  subscribe(listener: (rows: readonly Row<T>[]) => void): () => void {
    return this.#subscription.subscribe(() => listener(this.rows))
  }

  /** A row with `data` is on the screen at once, and on the server when this resolves, with its pk.
   *  Rejects with WriteError, and the screen is as if nothing had been done. */
  async create(data: Partial<T>): Promise<{ readonly pk: Pk }> {
    return this.#subscription.write({ action: 'create', row: '', pk: undefined, data: plain(data) })
  }

  /** The fields in `data` have new values; see `create`. `expect`: the values you believe it has. If one is another on
   *  the server, nothing is written, and this rejects with code `conflict` and the row as it is.
   *  While one write to a row waits for its answer, the next ones without `expect` are merged. */
  async update(
    target: Target,
    data: Partial<T>,
    { expect }: { expect?: Partial<T> } = {},
  ): Promise<{ readonly pk: Pk }> {
    return this.#subscription.write({
      action: 'update',
      ...this.#locate(target),
      data: plain(data),
      expect: expect && plain(expect),
    })
  }

  /** The row is gone; see `create`. */
  async delete(target: Target): Promise<{ readonly pk: Pk }> {
    return this.#subscription.write({ action: 'delete', ...this.#locate(target) })
  }

  #locate(target: Target) {
    const found = this.#subscription.locate(target)
    if (!found) throw new WriteError('not_found', 'This row is no longer there: it could not be created.')
    return found
  }
}

/** A copy, as it will travel: what the caller does with the object later, or a proxy around it, must not matter. */
const plain = (data: object): Record<string, unknown> => JSON.parse(JSON.stringify(data))

function sorter<T extends object>(order: Order<T>): (rows: readonly AnyRow[]) => readonly Row<T>[] {
  if (typeof order === 'function') {
    // The one place where we take the caller's word that the stream carries T.
    return rows => Object.freeze((rows as readonly Row<T>[]).toSorted(order))
  }
  const fields = [order].flat().map(name => {
    const descending = name.startsWith('-')
    return { field: descending ? name.slice(1) : name, sign: descending ? -1 : 1 }
  })
  const last = fields.at(-1)?.sign ?? 1
  fields.push({ field: '$pk', sign: last })
  return rows => {
    // Sorting is stable: of two that have no pk yet, the newer one is the later, or under `-` the earlier.
    const list = last === 1 ? rows : rows.toReversed()
    const sorted = list.toSorted((a, b) => {
      for (const { field, sign } of fields) {
        const difference = compare(a[field], b[field]) * sign
        if (difference !== 0) return difference
      }
      return 0
    })
    return Object.freeze(sorted as readonly object[] as readonly Row<T>[])
  }
}

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0
  if (a === undefined || b === undefined) return a === undefined ? 1 : -1
  if (a === null || b === null) return a === null ? 1 : -1
  return (a as string) < (b as string) ? -1 : 1
}
