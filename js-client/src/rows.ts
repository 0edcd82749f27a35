/** … connection → writes → **rows** → subscription → collection → …
 *
 *  What is on the screen = what the server has told + the unsettled writes on top.
 *  A row that says the same stays the same object, so that adapters can tell by `===`.
 */

import type { Data, Frame, Pk } from './protocol.ts'
import type { Write, Writes } from './writes.ts'

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

/** A frame that tells rows. */
export type Told = Extract<Frame, { action: 'changes' | 'snapshot' }>

/** A row with a write on top, and what it was made of. */
interface Laid {
  below: AnyRow | undefined
  data: Data | undefined
  pk: Pk | undefined
  row: AnyRow
}

export class Rows {
  /** The rows to show, in no order. */
  shown: readonly AnyRow[] = Object.freeze([])
  readonly #writes: Writes
  readonly #subscription: string
  readonly #laid = new WeakMap<Write, Laid>()
  #told: ReadonlyMap<string, AnyRow> = new Map() // by the string form of the pk

  /** `subscription` is the name of the one whose writes are laid on top. */
  constructor(writes: Writes, subscription: string) {
    this.#writes = writes
    this.#subscription = subscription
  }

  /** The writes that show here, oldest first. */
  get own(): Write[] {
    return this.#writes.of(this.#subscription)
  }

  /** Of these, those that the screen can now do without. */
  get answered(): Write[] {
    return this.own.filter(write => write.state === 'answered')
  }

  /** The row told under this `$key`. */
  find($key: string): AnyRow | undefined {
    return [...this.#told.values()].find(row => row.$key === $key)
  }

  /** Nothing is told any more. */
  forget(): void {
    this.#told = new Map()
  }

  /** What the frames tell is known, and the own writes they name are answered; nothing is drawn yet. */
  learn(frames: readonly Told[]): void {
    const before = this.#told
    let told = new Map(before)
    const put = (pk: Pk, data: Data) => {
      const id = String(pk)
      // A snapshot does not say whose a row is, and comes in parts: a row keeps its key through all of it.
      const old = told.get(id) ?? before.get(id)
      told.set(id, keep(old, toRow(data, old?.$key ?? this.#keyOfOwn(id) ?? id, pk, false)))
    }
    for (const frame of frames) {
      if (frame.action === 'snapshot') {
        if (frame.first) told = new Map() // with the parts of one that was given up
        for (const { pk, data } of frame.rows) put(pk, data)
        continue
      }
      for (const { action, pk, data, refs } of frame.changes) {
        for (const write of this.own) if (refs.includes(write.ref)) this.#writes.answer(write, { pk })
        if (action === 'delete') told.delete(String(pk))
        else put(pk, data)
      }
    }
    this.#told = told
  }

  /** `shown` is what was told with the own writes on top. */
  draw(): void {
    const screen = new Map(this.#told)
    for (const write of this.own) {
      const below = screen.get(write.row)
      if (write.action === 'delete') screen.delete(write.row)
      else if (write.action === 'create' || below) screen.set(write.row, this.#lay(write, below))
    }
    const rows = [...screen.values()]
    const { shown } = this
    const unchanged = rows.length === shown.length && rows.every((row, index) => row === shown[index])
    if (!unchanged) this.shown = Object.freeze(rows)
  }

  /** The key of the optimistic row that turns out to be `id`. */
  #keyOfOwn(id: string): string | undefined {
    return this.own.find(write => write.action === 'create' && write.row === id)?.ref
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

/** The row as everybody gets it: frozen. */
const toRow = (data: Data, $key: string, $pk: Pk | undefined, $pending: boolean): AnyRow =>
  Object.freeze({ ...data, $key, $pk, $pending })

/** Return `old` if `row` says nothing new. */
const keep = (old: AnyRow | undefined, row: AnyRow): AnyRow => (old && same(old, row) ? old : row)

/** Whether two values of JSON say the same. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (!isObject(a) || !isObject(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && same(a[key], b[key]))
  )
}

const isObject = (value: unknown): value is Data => typeof value === 'object' && value !== null
