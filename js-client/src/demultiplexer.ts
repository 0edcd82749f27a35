/** … connection → writes → rows → subscription → collection → presence → **demultiplexer**
 *
 *  The many streams on one socket: each frame that comes goes to whom it is for, each write goes out in its turn.
 *  Its twin is `channels_databinding/demultiplexer.py`.
 */

import { Collection, type Order } from './collection.ts'
import { Connection, type Status } from './connection.ts'
import type { Environment } from './environment.ts'
import { Presence } from './presence.ts'
import {
  type Data,
  decode,
  encode,
  type Frame,
  type Outgoing,
  type Params,
  type Pk,
  REFUSALS,
  type Snapshot,
  subscriptionName,
  WriteError,
} from './protocol.ts'
import type { Readable } from './store.ts'
import { type Wire, Subscription } from './subscription.ts'
import { Writes } from './writes.ts'

const CLOSED = [
  'closed',
  'The connection was closed before the server answered. What had left may have been saved.',
] as const
const UNNAMED = ['failed', 'The server created the row and did not say its pk.'] as const

export interface CollectionOptions<T extends object> {
  /** What the subscription is asked with. Default: the groups the server gave this connection. */
  readonly params?: Params
  /** Default: by `$pk`, so what is new comes last. */
  readonly order?: Order<T>
  /** The rows that the page came with, from the server's `Demultiplexer.snapshot`. */
  readonly initial?: Snapshot
}

export class Demultiplexer {
  readonly #connection: Connection
  readonly #wire: Wire
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #presences = new Map<string, Presence<object>>()

  constructor(url: string, environment: Environment) {
    this.#connection = new Connection(url, text => this.#receive(text), environment)
    const send = (frame: Outgoing) => {
      if (this.#online) this.#connection.send(encode(frame))
    }
    const open = () => {
      this.#connection.open()
      return this.#online
    }
    this.#wire = { environment, writes: new Writes(send), send, open }
    // We are its first listener, so nobody can send anything on a new connection before `#resume` has.
    this.#connection.status.subscribe(status => this.#follow(status))
  }

  /** How the connection is. */
  get status(): Readable<Status> {
    return this.#connection.status
  }

  /** The rows of `stream`. Nothing is sent before somebody subscribes or writes.
   *  Collections of the same stream and params share one subscription on the wire, whatever their order. */
  collection<T extends object = Data>(stream: string, options: CollectionOptions<T> = {}): Collection<T> {
    const { params, order = '$pk', initial } = options
    const subscription = this.#subscription(stream, params)
    if (initial) subscription.carry(initial)
    return new Collection(subscription, order)
  }

  /** Who is here, of those who see the rows of `stream` with these params, and what they do. */
  presence<S extends object = Data>(
    stream: string,
    { params }: { readonly params?: Params } = {},
  ): Presence<S> {
    const subscription = this.#subscription(stream, params)
    const presence = this.#presences.get(subscription.name) ?? new Presence<object>(subscription)
    this.#presences.set(subscription.name, presence)
    return presence as Presence<S>
  }

  #subscription(stream: string, params: Params = {}): Subscription {
    const name = subscriptionName(stream, params)
    const known = this.#subscriptions.get(name)
    if (known) return known
    const subscription = new Subscription(name, stream, { ...params }, this.#wire)
    this.#subscriptions.set(name, subscription)
    return subscription
  }

  /** The connection is closed for good: writes without an answer are rejected, rows stay as they are. */
  close(): void {
    this.#connection.close()
  }

  get #online(): boolean {
    return this.#connection.status.value.state === 'online'
  }

  #follow({ state, code }: Status): void {
    if (state === 'online') return this.#resume()
    if (state === 'closed') this.#leave(code)
    for (const subscription of this.#subscriptions.values()) subscription.lose()
  }

  /** First the unsettled writes, in order, then the subscribes: so what is told includes what we wrote. */
  #resume(): void {
    this.#wire.writes.flush(true)
    for (const subscription of this.#subscriptions.values()) subscription.ask()
  }

  #leave(code = 0): void {
    const refused = REFUSALS[code]
    const error = new WriteError(...(refused ?? CLOSED))
    this.#wire.writes.close(error)
    // What is on the screen is no longer for these eyes.
    if (refused) for (const subscription of this.#subscriptions.values()) subscription.refuse(error)
  }

  #receive(text: unknown): void {
    const frame = decode(text)
    if (!frame) return
    this.#deliver(frame)
    this.#wire.writes.flush()
  }

  #deliver(frame: Frame): void {
    const all = this.#subscriptions.values()
    switch (frame.action) {
      case 'changes':
        for (const { pk, refs } of frame.changes) for (const ref of refs) this.#wire.writes.name(ref, pk)
        return this.#subscriptions.get(frame.subscription)?.hear(frame)
      case 'snapshot':
      case 'reset':
        return this.#subscriptions.get(frame.subscription)?.hear(frame)
      case 'presence':
        return this.#presences.get(frame.subscription)?.hear(frame)
      case 'ping':
        return this.#wire.send({ stream: '', ref: frame.ref, payload: { action: 'ack' } })
      case 'error':
        this.#answer(frame.ref, frame.error)
        for (const one of [...all, ...this.#presences.values()]) one.hearError(frame.ref, frame.error)
        return
      case 'ack': {
        const { stream, ref, pk, key, cursor } = frame
        if (stream === '') {
          for (const subscription of all) if (cursor !== undefined) subscription.hearCursor(cursor)
        } else {
          this.#answer(ref, pk)
          for (const subscription of all) subscription.hearAck(ref, cursor)
          for (const presence of this.#presences.values()) presence.hearAck(ref, key)
        }
      }
    }
  }

  #answer(ref: string, outcome: Pk | WriteError | undefined): void {
    const { writes } = this.#wire
    const write = writes.get(ref)
    if (!write) return // a change has settled it already
    const pk = outcome ?? write.pk
    const answer = typeof pk === 'object' ? pk : pk === undefined ? new WriteError(...UNNAMED) : { pk }
    writes.answer(write, answer)
    this.#subscriptions.get(write.subscription)?.hearAnswer(write)
  }
}
