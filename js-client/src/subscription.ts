/** … connection → writes → rows → liveness → **subscription** → collection → …
 *
 *  The rows of one stream and params: what the server has told, with the unsettled writes laid on top.
 *  Every collection that asks for the same stream and params shares it.
 */

import { delayMs } from './backoff.ts'
import type { Environment } from './environment.ts'
import { type Cause, type Liveness, MOVES } from './liveness.ts'
import {
  type Frame,
  newRef,
  type Outgoing,
  type Params,
  type Pk,
  type Snapshot,
  WriteError,
} from './protocol.ts'
import { type AnyRow, type RowExtras, Rows, type Told } from './rows.ts'
import { Store } from './store.ts'
import type { Intent, Write, Writes } from './writes.ts'

export interface View {
  /** In no order. */
  readonly rows: readonly AnyRow[]
  readonly status: Liveness
  /** Why the server refused the subscription, or null. */
  readonly error: WriteError | null
}

const FORBIDDEN = ['forbidden', 'You may no longer read these rows.'] as const
const DOZE_MS = 1_000 // a component that is taken off and put back within it costs no snapshot

type Reset = Extract<Frame, { action: 'reset' }>

/** What a subscription needs of its socket. */
export interface Wire {
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
  readonly #params: Params | undefined
  readonly #wire: Wire
  readonly #rows: Rows
  readonly #view: Store<View>
  #status: Liveness = 'idle'
  #error: WriteError | null = null
  #cursor: string | undefined
  /** The ref of the subscribe in flight: from then to its ack we are catching up, and `#held` waits. */
  #asked: string | undefined
  #held: Told[] = []
  #failures = 0
  #callOff: () => void = () => {} // the next try after a failure

  constructor(name: string, stream: string, params: Params, wire: Wire) {
    this.name = name
    this.stream = stream
    this.#params = Object.keys(params).length > 0 ? params : undefined
    this.#wire = wire
    this.#rows = new Rows(wire.writes, name)
    this.#view = new Store<View>({ rows: this.#rows.shown, status: this.#status, error: this.#error })
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

  /** The page came with these rows: they are on the screen at once, and only what was changed since is asked for.
   *  Rows that the server has told already are newer. */
  carry({ rows, cursor }: Snapshot): void {
    if (this.#status !== 'idle' || this.#cursor !== undefined) return
    this.#rows.learn([{ action: 'snapshot', subscription: this.name, first: true, rows }])
    this.#cursor = cursor
    this.#draw()
  }

  /** It is on the screen, and leaves as soon as it may. Resolves when it is settled.
   *  Throws WriteError `too_many` or `closed`. */
  write(intent: Omit<Intent, 'stream' | 'subscription'>): Promise<{ readonly pk: Pk }> {
    const { writes } = this.#wire
    const { promise } = writes.add({ ...intent, stream: this.stream, subscription: this.name })
    if (this.#wire.open()) writes.flush()
    this.#draw()
    return promise
  }

  /** The row that `target` means: its name for `Intent.row`, and its pk if it has one by now. */
  locate(target: Pk | RowExtras): Pick<Intent, 'row' | 'pk'> | undefined {
    if (typeof target !== 'object') return { row: String(target), pk: target }
    if (target.$pk !== undefined) return { row: String(target.$pk), pk: target.$pk }
    const create = this.#wire.writes.get(target.$key)
    if (create) return { row: create.row, pk: create.pk }
    // The caller holds a row from before it got its pk.
    const row = this.#rows.find(target.$key)
    return row && { row: String(row.$pk), pk: row.$pk }
  }

  /** There is a connection, new or not: ask for the rows, or for what was missed. */
  ask(): void {
    if (this.#status === 'idle') return
    this.#rest()
    this.#asked = newRef()
    this.say(this.#asked, { action: 'subscribe', since: this.#cursor })
  }

  /** The connection is gone. What was held is incomplete, and will be told again. */
  lose(): void {
    this.#rest()
    this.#move('lost')
    this.#draw()
  }

  /** The server will not tell, or no longer: the screen is empty, and we do not ask again. */
  refuse(error: WriteError): void {
    this.#forget('refused', error)
  }

  /** A frame for this stream and params. */
  hear(frame: Told | Reset): void {
    if (frame.action === 'reset') {
      if (frame.reason === 'forbidden') return this.refuse(new WriteError(...FORBIDDEN))
      this.#cursor = undefined
      this.#move('reset')
      this.ask()
      return this.#draw()
    }
    const isLive = this.#status === 'live' && frame.action === 'changes'
    // Else it was on its way when we unsubscribed, or belongs to a subscribe that has failed.
    if (this.#asked !== undefined || isLive) this.#held.push(frame)
    // A frame without a cursor is a part of a batch: the last one has it.
    if (this.#asked !== undefined || !isLive || frame.cursor === undefined) return
    this.#rows.learn(this.#held)
    this.#held = []
    this.#cursor = frame.cursor
    this.#settle(this.#rows.answered)
  }

  /** The answer to a write of ours. Until we have caught up, the screen waits for the rows that belong to it. */
  hearAnswer(write: Write): void {
    if (this.#status === 'live' || this.#status === 'idle') this.#settle([write])
    else this.#draw()
  }

  /** The ack of the subscribe `ref`: caught up, live from here. Acks of superseded ones are ignored. */
  hearAck(ref: string, cursor: string | undefined): void {
    if (ref !== this.#asked) return
    this.#rows.learn(this.#held)
    this.#rest()
    this.#cursor = cursor
    this.#error = null
    this.#failures = 0
    this.#move('caught up')
    this.#settle(this.#rows.answered)
  }

  /** The subscribe `ref` was refused. */
  hearError(ref: string, error: WriteError): void {
    if (ref !== this.#asked) return
    if (error.code !== 'failed') return this.refuse(error)
    // The server's own fault, so it may pass.
    this.lose()
    this.#error = error
    this.#failures += 1
    const { environment } = this.#wire
    this.#callOff = environment.after(delayMs(this.#failures, environment.random), () => this.ask())
    this.#draw()
  }

  /** A cursor that is good for all subscriptions that are live. */
  hearCursor(cursor: string): void {
    if (this.#status === 'live') this.#cursor = cursor
  }

  #wake(): void {
    if (this.#status !== 'idle') return
    const { writes } = this.#wire
    if (writes.closed) return this.refuse(writes.closed)
    this.#error = null
    this.#move(this.#cursor === undefined ? 'woken' : 'carried')
    this.#draw()
    if (this.#wire.open()) this.ask()
  }

  #doze(): void {
    this.#wire.environment.after(DOZE_MS, () => {
      if (this.#view.watched || this.#status === 'idle') return
      this.say(newRef(), { action: 'unsubscribe' })
      this.#forget('asleep', null)
    })
  }

  #forget(cause: 'asleep' | 'refused', error: WriteError | null): void {
    this.#rest()
    this.#cursor = undefined
    this.#rows.forget()
    this.#error = error
    this.#move(cause)
    this.#settle(this.#rows.answered)
  }

  /** Nothing is asked for, now or soon. */
  #rest(): void {
    this.#callOff()
    this.#asked = undefined
    this.#held = []
  }

  /** It is sent if there is a connection. */
  say(ref: string, payload: Outgoing['payload']): void {
    this.#wire.send({ stream: this.stream, params: this.#params, ref, payload })
  }

  #move(cause: Cause): void {
    const to = MOVES[this.#status][cause]
    if (to === undefined) return
    this.#wire.environment.log(`${this.name}: ${this.#status} → ${to} (${cause})`)
    this.#status = to
  }

  /** The writes are gone, the screen shows it, and whoever waits for them is told: in this order. */
  #settle(writes: readonly Write[]): void {
    const gone = this.#wire.writes.forget(writes)
    this.#draw()
    for (const write of gone) if (write.answer) write.settle(write.answer)
  }

  #draw(): void {
    const { rows, status, error } = this.view
    this.#rows.draw()
    if (rows === this.#rows.shown && status === this.#status && error === this.#error) return
    this.#view.set({ rows: this.#rows.shown, status: this.#status, error: this.#error })
  }
}
