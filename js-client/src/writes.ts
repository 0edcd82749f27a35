/** … environment → connection → **writes** → subscription → collection → …
 *
 *  The unsettled writes of a socket, in the order they were made: what is on the screen and not yet the server's word.
 *  Forgetting one is its rollback and its completion alike.
 */

import { type Change, type Data, newRef, type Outgoing, type Pk, WriteError } from './protocol.ts'

/** What became of a write: the row it touched, or why not. */
export type Answer = { readonly pk: Pk } | WriteError

export interface Intent {
  readonly stream: string
  /** The name of the subscription on whose screen it shows. */
  readonly subscription: string
  readonly action: Change['action']
  /** The row: the string form of its pk, or the ref of the create that will make it. */
  readonly row: string
  readonly pk: Pk | undefined
  readonly data?: Data | undefined
  /** The values the writer believed; if one differs on the server, nothing is written. */
  readonly expect?: Data | undefined
}

export interface Write extends Intent {
  /** Also the $key of the row it creates. */
  readonly ref: string
  row: string
  pk: Pk | undefined
  data: Data | undefined
  /** Once `sent`, ref and data stay as they are until answered: the server may have done it, whatever we heard. */
  state: 'waiting' | 'sent' | 'answered'
  answer: Answer | undefined
  readonly promise: Promise<{ readonly pk: Pk }>
  readonly settle: (answer: Answer) => void
}

const MAX_UNSETTLED = 1_000 // a socket. Past it a write is rejected with `too_many`: somebody has been offline for long

export class Writes {
  readonly #send: (frame: Outgoing) => void
  readonly #queue = new Map<string, Write>() // by ref; a Map keeps the order
  /** Why nothing is written any more. */
  closed: WriteError | undefined

  /** `send` takes a frame to the server if there is a connection. */
  constructor(send: (frame: Outgoing) => void) {
    this.#send = send
  }

  get(ref: string): Write | undefined {
    return this.#queue.get(ref)
  }

  /** Those that show on the screen of `subscription`, oldest first. */
  of(subscription: string): Write[] {
    return [...this.#queue.values()].filter(write => write.subscription === subscription)
  }

  /** It waits for its turn; or is merged into the last one for its row, if that has not left yet.
   *  Throws WriteError `too_many` or `closed`. */
  add(intent: Intent): Write {
    if (this.closed) throw this.closed
    const last = [...this.#queue.values()].findLast(write => sameRow(write, intent))
    if (
      last?.state === 'waiting' &&
      mergeable(last) &&
      mergeable(intent) &&
      last.subscription === intent.subscription
    ) {
      last.data = { ...last.data, ...intent.data }
      return last
    }
    if (this.#queue.size >= MAX_UNSETTLED) {
      throw new WriteError(
        'too_many',
        `${MAX_UNSETTLED} writes are waiting for an answer. Try again when you are back online.`,
      )
    }
    const write = begin(intent)
    this.#queue.set(write.ref, write)
    return write
  }

  /** What may leave has left, in order: one write in flight for each row. After a reconnect (`again`)
   *  that includes what had left before and was never answered. */
  flush(again = false): void {
    const busy = new Set<string>()
    for (const write of this.#queue.values()) {
      const row = JSON.stringify([write.stream, write.row])
      const ready = write.action === 'create' || write.pk !== undefined
      const leaves = write.state === 'waiting' ? ready && !busy.has(row) : write.state === 'sent' && again
      if (write.state !== 'answered') busy.add(row)
      if (!leaves) continue
      write.state = 'sent'
      const { stream, ref, action, pk, data, expect } = write
      this.#send({ stream, ref, payload: { action, pk, data, expect } })
    }
  }

  /** The server has spoken. The write stays, so that the screen can follow in one step: see `forget`. */
  answer(write: Write, answer: Answer): void {
    write.state = 'answered'
    write.answer = answer
    if (write.action !== 'create' || answer instanceof WriteError) return
    for (const other of this.#queue.values()) {
      if (!sameRow(other, { ...write, row: write.ref })) continue
      other.pk = answer.pk
      other.row = String(answer.pk)
    }
  }

  /** They are no more; with a create that was refused go the writes to the row it would have made.
   *  Returns all that went, for the caller to `settle` once the screen shows it. */
  forget(writes: readonly Write[]): Write[] {
    const gone = [...writes]
    for (const write of gone) {
      this.#queue.delete(write.ref)
      if (write.action !== 'create' || !(write.answer instanceof WriteError)) continue
      for (const orphan of this.#queue.values()) {
        if (!sameRow(orphan, write) || gone.includes(orphan)) continue
        orphan.answer = new WriteError('not_found', 'The row this was for could not be created.')
        gone.push(orphan)
      }
    }
    return gone
  }

  /** All are rejected, now and from now on. */
  close(error: WriteError): void {
    this.closed ??= error
    const gone = [...this.#queue.values()]
    this.#queue.clear()
    for (const write of gone) write.settle(write.answer ?? this.closed)
  }
}

const sameRow = (a: Pick<Intent, 'stream' | 'row'>, b: Pick<Intent, 'stream' | 'row'>) =>
  a.stream === b.stream && a.row === b.row

/** A write with `expect` is a question of its own. */
const mergeable = ({ action, expect }: Intent) => action === 'update' && expect === undefined

const nobody = () => {}

function begin(intent: Intent): Write {
  const ref = newRef()
  let settle: Write['settle'] = nobody
  const promise = new Promise<{ readonly pk: Pk }>((resolve, reject) => {
    settle = answer => (answer instanceof WriteError ? reject(answer) : resolve(answer))
  })
  return {
    ...intent,
    ref,
    row: intent.action === 'create' ? ref : intent.row,
    pk: intent.pk,
    data: intent.data,
    state: 'waiting',
    answer: undefined,
    promise,
    settle,
  }
}
