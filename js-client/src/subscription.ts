/** … connection → writes → **subscription** → collection → demultiplexer
 *
 *  The rows of one stream and params: what the server has told, with the unsettled writes laid on top.
 *  Every collection that asks for the same stream and params shares it.
 */

import { delayMs } from './backoff.ts'
import type { Environment } from './environment.ts'
import { type Data, type Frame, newRef, type Outgoing, type Params, type Pk, WriteError } from './protocol.ts'
import { type AnyRow, keep, type RowExtras, Screen, toRow } from './rows.ts'
import { Store } from './store.ts'
import type { Intent, Write, Writes } from './writes.ts'

/** - `idle`: nobody looks, or the server refused (then there is an error).
 *  - `loading`: asked for, not complete yet.
 *  - `live`: complete, and every change is heard.
 *  - `stale`: was complete, is no longer followed. It catches up as soon as it can. */
export type Liveness = 'idle' | 'loading' | 'live' | 'stale'

export interface View {
  /** In no order. */
  readonly rows: readonly AnyRow[]
  readonly status: Liveness
  /** Why the server refused the subscription, or null. */
  readonly error: WriteError | null
}

type Cause = 'woken' | 'caught up' | 'lost' | 'reset' | 'refused' | 'asleep'

const MOVES: Record<Liveness, Partial<Record<Cause, Liveness>>> = {
  idle: { woken: 'loading', refused: 'idle' },
  loading: { 'caught up': 'live', refused: 'idle', asleep: 'idle' },
  live: { lost: 'stale', reset: 'stale', refused: 'idle', asleep: 'idle' },
  stale: { 'caught up': 'live', refused: 'idle', asleep: 'idle' },
}

const DOZE_MS = 1_000 // a component that is taken off and put back within it costs no snapshot

type Reset = Extract<Frame, { action: 'reset' }>
type Told = Extract<Frame, { action: 'changes' | 'snapshot' }>

/** What a subscription needs of its socket. */
export interface Post {
  readonly writes: Writes
  readonly environment: Environment
  /** The frame is sent if there is a connection. */
  send(frame: Outgoing): void
  /** There is a connection, or one is on the way. Says whether it is there. */
  open(): boolean
}

export class Subscription {
  readonly name: string
  readonly stream: string
  readonly #params: Params
  readonly #post: Post
  readonly #screen = new Screen()
  readonly #view = new Store<View>({ rows: this.#screen.rows, status: 'idle', error: null })
  #status: Liveness = 'idle'
  #error: WriteError | null = null
  #told = new Map<string, AnyRow>() // by the string form of the pk
  #cursor: string | undefined
  /** The ref of the subscribe in flight: from then to its ack we are catching up, and `#held` waits. */
  #asked: string | undefined
  #held: Told[] = []
  #failures = 0
  #callOff: () => void = () => {} // the next try after a failure

  constructor(name: string, stream: string, params: Params, post: Post) {
    this.name = name
    this.stream = stream
    this.#params = params
    this.#post = post
  }

  get view(): View {
    return this.#view.value
  }

  /** Call `listener` at once and on each change. The first listener wakes it; when the last has stopped, it sleeps. */
  subscribe(listener: (view: View) => void): () => void {
    if (!this.#view.watched) this.#wake()
    const stop = this.#view.subscribe(listener)
    return () => {
      stop()
      if (!this.#view.watched) this.#doze()
    }
  }

  /** It is on the screen, and leaves as soon as it may. Resolves when it is settled.
   *  Throws WriteError `too_many` or `closed`. */
  write(intent: Omit<Intent, 'stream' | 'subscription'>): Promise<{ readonly pk: Pk }> {
    const { writes } = this.#post
    const { promise } = writes.add({ ...intent, stream: this.stream, subscription: this.name })
    if (this.#post.open()) writes.flush()
    this.#draw()
    return promise
  }

  /** The row that `target` means: its name for `Intent.row`, and its pk if it has one by now. */
  locate(target: Pk | RowExtras): Pick<Intent, 'row' | 'pk'> | undefined {
    if (typeof target !== 'object') return { row: String(target), pk: target }
    if (target.$pk !== undefined) return { row: String(target.$pk), pk: target.$pk }
    const create = this.#post.writes.get(target.$key)
    if (create) return { row: create.row, pk: create.pk }
    // The caller holds a row from before it got its pk.
    const row = [...this.#told.values()].find(told => told.$key === target.$key)
    return row && { row: String(row.$pk), pk: row.$pk }
  }

  // --- from the socket ---

  /** There is a connection, new or not: ask for the rows, or for what was missed. */
  ask(): void {
    if (this.#status === 'idle') return
    this.#callOff()
    this.#asked = newRef()
    this.#held = []
    this.#say(this.#asked, { action: 'subscribe', since: this.#cursor })
  }

  /** The connection is gone. What was held is incomplete, and will be told again. */
  lose(): void {
    this.#callOff()
    this.#asked = undefined
    this.#held = []
    this.#move('lost')
    this.#draw()
  }

  /** The server will not tell, or no longer: the screen is empty, and we do not ask again. */
  refuse(error: WriteError): void {
    this.#forget('refused', error)
  }

  /** A frame for this stream and params. */
  hear(frame: Told | Reset): void {
    if (this.#status === 'idle') return // on its way when we unsubscribed
    if (frame.action === 'reset') {
      if (frame.reason === 'forbidden') {
        return this.refuse(new WriteError('forbidden', 'You may no longer read these rows.'))
      }
      this.#cursor = undefined
      this.#move('reset')
      this.ask()
      return this.#draw()
    }
    if (this.#asked !== undefined) {
      // The first part of a snapshot is newer than all that came before it.
      if (frame.action === 'snapshot' && frame.first) this.#held = []
      this.#held.push(frame)
      return
    }
    if (this.#status !== 'live' || frame.action !== 'changes') return
    this.#learn(frame, this.#told)
    this.#cursor = frame.cursor ?? this.#cursor
    this.#settle(this.#answered())
  }

  /** The answer to a write of ours. Until we have caught up, the screen waits for the rows that belong to it. */
  hearAnswer(write: Write): void {
    if (this.#status === 'live' || this.#status === 'idle') this.#settle([write])
    else this.#draw()
  }

  /** The ack of the subscribe `ref`: caught up, live from here. Acks of superseded ones are ignored. */
  hearAck(ref: string, cursor: string | undefined): void {
    if (ref !== this.#asked) return
    const held = this.#held
    this.#asked = undefined
    this.#held = []
    const shown = this.#told
    for (const frame of held) this.#learn(frame, shown)
    this.#cursor = cursor
    this.#error = null
    this.#failures = 0
    this.#move('caught up')
    this.#settle(this.#answered())
  }

  /** The subscribe `ref` was refused. */
  hearError(ref: string, error: WriteError): void {
    if (ref !== this.#asked) return
    if (error.code !== 'failed') return this.refuse(error)
    // The server's own fault, so it may pass.
    this.lose()
    this.#error = error
    this.#failures += 1
    const { environment } = this.#post
    this.#callOff = environment.after(delayMs(this.#failures, environment.random), () => this.ask())
    this.#draw()
  }

  /** A cursor that is good for all subscriptions that are live. */
  hearCursor(cursor: string): void {
    if (this.#status === 'live') this.#cursor = cursor
  }

  // --- private ---

  #wake(): void {
    if (this.#status !== 'idle') return
    const { writes } = this.#post
    if (writes.closed) return this.refuse(writes.closed)
    this.#error = null
    this.#move('woken')
    this.#draw()
    if (this.#post.open()) this.ask()
  }

  #doze(): void {
    this.#post.environment.after(DOZE_MS, () => {
      if (this.#view.watched || this.#status === 'idle') return
      this.#say(newRef(), { action: 'unsubscribe' })
      this.#forget('asleep', null)
    })
  }

  #forget(cause: 'asleep' | 'refused', error: WriteError | null): void {
    this.#callOff()
    this.#asked = undefined
    this.#held = []
    this.#cursor = undefined
    this.#told = new Map()
    this.#error = error
    this.#move(cause)
    this.#settle(this.#answered())
  }

  #say(ref: string, payload: Outgoing['payload']): void {
    const params = Object.keys(this.#params).length > 0 ? this.#params : undefined
    this.#post.send({ stream: this.stream, params, ref, payload })
  }

  #move(cause: Cause): void {
    const to = MOVES[this.#status][cause]
    if (to === undefined) return
    this.#post.environment.log(`${this.name}: ${this.#status} → ${to} (${cause})`)
    this.#status = to
  }

  /** What the frame tells is known, and the own writes it names are answered; nothing is drawn yet.
   *  `shown` is what was known when it was last drawn: rows keep their keys through a snapshot in many parts. */
  #learn(frame: Told, shown: ReadonlyMap<string, AnyRow>): void {
    if (frame.action === 'snapshot') {
      if (frame.first) this.#told = new Map()
      for (const { pk, data } of frame.rows) this.#put(pk, data, shown)
      return
    }
    for (const { action, pk, data, refs } of frame.changes) {
      for (const write of this.#own()) {
        if (refs.includes(write.ref) && !write.answer) this.#post.writes.answer(write, { pk })
      }
      if (action === 'delete') this.#told.delete(String(pk))
      else this.#put(pk, data, shown)
    }
  }

  #put(pk: Pk, data: Data, shown: ReadonlyMap<string, AnyRow>): void {
    const id = String(pk)
    const old = this.#told.get(id) ?? shown.get(id)
    this.#told.set(id, keep(old, toRow(data, old?.$key ?? this.#keyOfOwn(id) ?? id, pk, false)))
  }

  /** The key of the optimistic row that turns out to be `id`. */
  #keyOfOwn(id: string): string | undefined {
    return this.#own().find(write => write.action === 'create' && write.row === id)?.ref
  }

  #own(): Write[] {
    return this.#post.writes.of(this.name)
  }

  #answered(): Write[] {
    return this.#own().filter(write => write.state === 'answered')
  }

  /** The writes are gone, the screen shows it, and whoever waits for them is told: in this order. */
  #settle(writes: readonly Write[]): void {
    const gone = this.#post.writes.forget(writes)
    this.#draw()
    for (const write of gone) if (write.answer) write.settle(write.answer)
  }

  #draw(): void {
    const { rows, status, error } = this.view
    this.#screen.draw(this.#told, this.#own())
    if (rows === this.#screen.rows && status === this.#status && error === this.#error) return
    this.#view.set({ rows: this.#screen.rows, status: this.#status, error: this.#error })
  }
}
