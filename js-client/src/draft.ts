/** … subscription → collection → demultiplexer → index → **draft**
 *
 *  One field of one row while somebody types in it: what is typed is never overwritten, and overwrites nobody unseen.
 *
 *  ```ts
 *  const draft = new Draft(posts, row, 'body')
 *  draft.subscribe(({ value, state, theirs, error }) => draw(value, state, theirs, error))
 *  input.oninput = () => draft.type(input.value)  // sent after a pause
 *  input.onblur = () => draft.leave()             // sent now
 *  ```
 */

import type { Collection, Row } from './collection.ts'
import { type Environment, environment } from './environment.ts'
import { WriteError } from './protocol.ts'
import { same } from './rows.ts'
import { type Readable, Store } from './store.ts'

/** A model that rewrites what it is given (`strip()`, say) answers with another value than was typed, which looks like
 *  somebody else's: rather refuse such a value, or send only when done (`pauseMs: Infinity`).
 *
 *  - `clean`: what the server says.
 *  - `dirty`: typed, not sent yet.
 *  - `sending`: on its way, or waiting for the connection. More may have been typed since.
 *  - `conflict`: somebody else has written something else meanwhile. Nothing is sent until you decide.
 *  - `refused`: the server will not have it; `error` says why. The next `type` or `send` tries again.
 *  - `gone`: somebody else has deleted the row. What was typed is still here. */
export type DraftStage = 'clean' | 'dirty' | 'sending' | 'conflict' | 'refused' | 'gone'

export interface DraftState<V> {
  /** What is typed. */
  readonly value: V
  readonly state: DraftStage
  /** In a conflict: what the server says. */
  readonly theirs: V | undefined
  /** When refused: why. */
  readonly error: WriteError | null
}

export interface DraftOptions {
  /** How long nothing is typed before it is sent. `Infinity`: only by `send` or `leave`. */
  readonly pauseMs?: number
  /** Takes the place of `setTimeout`, for tests. */
  readonly after?: Environment['after']
}

type Cause = 'typed' | 'agreed' | 'unsent' | 'sent' | 'differed' | 'refused' | 'vanished'

const MOVES: Record<DraftStage, Partial<Record<Cause, DraftStage>>> = {
  clean: { unsent: 'dirty', differed: 'conflict', vanished: 'gone' },
  dirty: { agreed: 'clean', sent: 'sending', differed: 'conflict', vanished: 'gone' },
  sending: { agreed: 'clean', unsent: 'dirty', differed: 'conflict', refused: 'refused', vanished: 'gone' },
  conflict: { agreed: 'clean', unsent: 'dirty', vanished: 'gone' },
  refused: { typed: 'dirty', agreed: 'clean', differed: 'conflict', vanished: 'gone' },
  gone: { agreed: 'clean', unsent: 'dirty', sent: 'sending', differed: 'conflict' },
}

const PAUSE_MS = 400 // of somebody who thinks; between two keys of somebody who types it is about 200

export class Draft<T extends object, F extends keyof T & string> implements Readable<DraftState<T[F]>> {
  readonly #collection: Collection<T>
  readonly #field: F
  readonly #options: Required<DraftOptions>
  readonly #shown: Store<DraftState<T[F]>>
  readonly #stop: () => void
  #row: Row<T>
  #state: DraftStage = 'clean'
  #mine: T[F]
  /** What we last saw from the server, or had acknowledged. */
  #base: T[F]
  /** Where `revert` goes back to: what was there before we wrote. */
  #original: T[F]
  #theirs: T[F] | undefined
  #error: WriteError | null = null
  /** A write of ours has no answer yet: of this field, the collection shows what we wrote, not what was told. */
  #inFlight = false
  /** What is typed leaves as soon as it may, without another pause. */
  #due = false
  /** Somebody has it open, so what is told is shown beside it, even if nothing is typed. */
  #open = true
  #callOff: () => void = () => {}

  constructor(collection: Collection<T>, row: Row<T>, field: F, options: DraftOptions = {}) {
    this.#collection = collection
    this.#row = row
    this.#field = field
    this.#options = { pauseMs: PAUSE_MS, after: environment().after, ...options }
    this.#mine = this.#base = this.#original = this.#valueIn(row)
    const theirs = undefined
    this.#shown = new Store<DraftState<T[F]>>({ value: this.#mine, state: 'clean', theirs, error: null })
    this.#stop = collection.subscribe(() => this.#judge())
  }

  get value(): DraftState<T[F]> {
    return this.#shown.value
  }

  /** Until `leave`, and after `enter`. */
  get open(): boolean {
    return this.#open
  }

  subscribe(listener: (state: DraftState<T[F]>) => void): () => void {
    return this.#shown.subscribe(listener)
  }

  /** It is what is typed, at once, and is sent after a pause. */
  type(value: T[F]): void {
    this.#mine = value
    this.#due = false
    this.#callOff()
    const { pauseMs, after } = this.#options
    if (pauseMs !== Infinity) this.#callOff = after(pauseMs, () => this.#hurry())
    this.#move('typed')
    this.#judge()
  }

  /** What is typed is sent now; in a conflict, once that is decided. */
  send(): void {
    this.#move('typed')
    this.#hurry()
  }

  /** The conflict is decided: what is typed is dropped. */
  takeTheirs(): void {
    if (this.value.theirs === undefined) return
    this.#mine = this.value.theirs
    this.#judge()
  }

  /** The conflict is decided: what is typed is sent, and takes the place of what the server says now. */
  keepMine(): void {
    if (this.value.theirs === undefined) return
    this.#base = this.#original = this.value.theirs
    this.#hurry()
  }

  /** What was there before the first `type` is there again, on the server too if something was sent already. In a
   *  conflict, that is what the server says. */
  revert(): void {
    if (this.#state === 'gone') return
    if (this.#state === 'conflict') return this.takeTheirs()
    this.#mine = this.#original
    this.send()
  }

  /** It is open again. */
  enter(): void {
    this.#open = true
  }

  /** It is open no more, so what is typed is sent now. Once it is `clean`, there is nothing left to decide. */
  leave(): void {
    this.#open = false
    this.#hurry()
  }

  /** Nothing is sent or heard any more. What is typed and not sent is lost. */
  close(): void {
    this.#callOff()
    this.#due = false
    this.#stop()
  }

  #valueIn(row: Readonly<T>): T[F] {
    return row[this.#field]
  }

  #hurry(): void {
    this.#callOff()
    this.#due = true
    this.#judge()
  }

  /** The state follows from what is typed, what the server says, and what we last knew of it. */
  #judge(): void {
    const row = this.#collection.rows.find(
      ({ $key, $pk }) => $key === this.#row.$key || ($pk !== undefined && $pk === this.#row.$pk),
    )
    this.#row = row ?? this.#row
    if (row) this.#compare(this.#valueIn(row))
    else if (this.#collection.status === 'live') this.#miss() // else it may only be unknown
    this.#show()
  }

  #compare(told: T[F]): void {
    // While a write of ours is on top, what is told cannot be seen. The answer will say whether it was another value.
    if (this.#inFlight) return this.#move('sent')
    const typed = !same(this.#mine, this.#base)
    if (same(told, this.#base)) {
      if (!typed) return this.#move('agreed')
      const left = this.#state === 'gone' && !this.#open // it is back, and nobody is here to send again
      this.#move('unsent')
      if ((this.#due || left) && this.#state === 'dirty') void this.#send()
    } else if (same(told, this.#mine) || !(typed || this.#open)) {
      this.#mine = this.#base = this.#original = told
      this.#move('agreed')
    } else {
      this.#theirs = told
      this.#move('differed')
    }
  }

  #miss(): void {
    const untouched = !this.#open && !this.#inFlight && same(this.#mine, this.#base)
    this.#move(untouched ? 'agreed' : 'vanished')
  }

  async #send(): Promise<void> {
    const [value, expect] = [this.#mine, this.#base]
    this.#due = false
    this.#inFlight = true
    this.#move('sent')
    const write = [only(this.#field, value), { expect: only(this.#field, expect) }] as const
    const answer = await this.#collection.update(this.#row, ...write).catch((error: unknown) => error)
    this.#inFlight = false
    if (answer instanceof WriteError) this.#hear(answer, value, expect)
    else this.#base = value
    this.#judge()
  }

  /** Our write of `value` was refused. */
  #hear(error: WriteError, value: T[F], expect: T[F]): void {
    const { code, data } = error
    // The row that was told decides a conflict. If it says again what we expected, it was changed back: once more, but
    // not if the server said so too: it compares in a way of its own, and would refuse for ever.
    if (code === 'conflict' && data && !same(data[this.#field], expect)) this.#due = true
    else if (same(this.#mine, value)) {
      this.#error = error
      this.#move('refused')
    }
  }

  #move(cause: Cause): void {
    this.#state = MOVES[this.#state][cause] ?? this.#state
  }

  /** Whoever watches is told, if there is anything new. */
  #show(): void {
    const [before, state] = [this.value, this.#state]
    const theirs = state === 'conflict' ? this.#theirs : undefined
    const error = state === 'refused' ? this.#error : null
    const now = { value: this.#mine, state, theirs, error }
    if (error !== before.error || !same(now, { ...before, error })) this.#shown.set(now)
  }
}

// One field of T is a Partial<T>, but TypeScript does not follow a computed name that far.
const only = <T extends object, F extends keyof T>(field: F, value: T[F]): Partial<T> =>
  ({ [field]: value }) as unknown as Partial<T>
