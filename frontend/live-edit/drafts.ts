/** What is being typed into the tasks, and not yet the server's word: one draft for each cell. */

import type { Collection } from 'channels-databinding'
import { Draft } from 'channels-databinding/draft'
import type { Field, Task, TaskRow } from './tasks.ts'

export type TaskDraft = Draft<Task, Field>

const UNSENT = new Set(['dirty', 'conflict', 'refused', 'gone']) // what is `sending` the row shows as pending

const isUnsent = (draft: TaskDraft) => UNSENT.has(draft.value.state)

export class Drafts {
  readonly #collection: Collection<Task>
  readonly #changed: ($key: string, field: Field) => void
  readonly #all = new Map<string, Map<Field, TaskDraft>>() // by key

  /** `changed` is called when a draft has changed or is no more. */
  constructor(collection: Collection<Task>, changed: ($key: string, field: Field) => void) {
    this.#collection = collection
    this.#changed = changed
  }

  /** The keys of the rows that something is typed into. */
  get keys(): string[] {
    return [...this.#all.keys()]
  }

  has($key: string): boolean {
    return this.#all.has($key)
  }

  get($key: string, field: Field): TaskDraft | undefined {
    return this.#all.get($key)?.get(field)
  }

  /** The row's values as they are typed. */
  typedInto($key: string): Partial<Task> {
    const drafts = [...(this.#all.get($key) ?? [])]
    return Object.fromEntries(drafts.map(([field, draft]) => [field, draft.value.value]))
  }

  /** The keys of the rows into which something is typed that has not been sent. */
  get unsent(): string[] {
    return this.keys.filter($key => [...(this.#all.get($key)?.values() ?? [])].some(isUnsent))
  }

  /** Return the draft of a cell, open: a new one, or the one that is there still. */
  begin(row: TaskRow, field: Field): TaskDraft {
    const before = this.get(row.$key, field)
    before?.enter()
    if (before) return before
    const draft: TaskDraft = new Draft<Task, Field>(this.#collection, row, field)
    this.#all.set(row.$key, (this.#all.get(row.$key) ?? new Map<Field, TaskDraft>()).set(field, draft))
    draft.subscribe(({ state }) => {
      if (state === 'clean' && !draft.open) this.#end(row.$key, field)
      this.#changed(row.$key, field)
    })
    return draft
  }

  /** The draft is left; it ends when there is nothing more to send or to decide. */
  leave(draft: TaskDraft): void {
    draft.leave()
    for (const [$key, field] of this.#find(draft)) {
      if (draft.value.state === 'clean') this.#end($key, field)
      this.#changed($key, field)
    }
  }

  /** What is typed into the row is given up. */
  drop($key: string): void {
    for (const field of this.#all.get($key)?.keys() ?? []) {
      this.#end($key, field)
      this.#changed($key, field)
    }
  }

  #end($key: string, field: Field): void {
    const drafts = this.#all.get($key)
    drafts?.get(field)?.close()
    drafts?.delete(field)
    if (drafts?.size === 0) this.#all.delete($key)
  }

  #find(draft: TaskDraft): (readonly [string, Field])[] {
    return [...this.#all].flatMap(([$key, drafts]) =>
      [...drafts].flatMap(([field, one]) => (one === draft ? [[$key, field] as const] : [])),
    )
  }
}
