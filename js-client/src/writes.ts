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
const MAX_IN_FLIGHT = 32 // a socket; the next one leaves with an answer. The server closes whom it cannot follow (4413)
const MAX_CHARACTERS = 250_000 // of one write. The server takes frames of 2¹⁸; past it: `too_large`

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
   *  Throws WriteError `too_many`, `too_large` or `closed`. */
  add(intent: Intent): Write {
    if (this.closed) throw this.closed
    if (size(intent) > MAX_CHARACTERS) throw new WriteError(...TOO_LARGE)
    const last = [...this.#queue.values()].findLast(write => sameRow(write, intent))
    if (last && mergeable(last, intent)) {
      last.data = { ...last.data, ...intent.data }
      return last
    }
    if (this.#queue.size >= MAX_UNSETTLED) throw new WriteError(...TOO_MANY)
    const write = begin(intent)
    this.#queue.set(write.ref, write)
    return write
  }

  /** There is a connection, so what may leave has left, in order: one write in flight for each row. After a reconnect (`again`)
   *  that includes what had left before and was never answered. */
  flush(again = false): void {
    const busy = new Set<string>()
    let room = MAX_IN_FLIGHT - [...this.#queue.values()].filter(({ state }) => state === 'sent').length
    for (const write of this.#queue.values()) {
      const row = JSON.stringify([write.stream, write.row])
      const ready = write.action === 'create' || write.pk !== undefined
      if (write.state === 'sent' && again) this.#transmit(write)
      if (write.state === 'waiting' && ready && !busy.has(row) && room > 0) {
        room -= 1
        write.state = 'sent'
        this.#transmit(write)
      }
      if (write.state !== 'answered') busy.add(row)
    }
  }

  /** The row that the create `ref` has made is known, wherever that was heard: another list may show it before ours
   *  does, and an edit made there must not leave before one made here. */
  name(ref: string, pk: Pk): void {
    const create = this.#queue.get(ref)
    if (create?.action !== 'create') return
    for (const write of this.#queue.values()) {
      if (write.stream !== create.stream || write.row !== ref) continue
      write.pk = pk
      write.row = String(pk)
    }
  }

  /** The server has spoken. The write stays, so that the screen can follow in one step: see `forget`. */
  answer(write: Write, answer: Answer): void {
    if (write.answer) return // its change came before its ack, or after it while catching up
    write.state = 'answered'
    write.answer = answer
    if (!(answer instanceof WriteError)) this.name(write.ref, answer.pk)
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

  #transmit({ stream, ref, action, pk, data, expect }: Write): void {
    // A create never carries a pk, even if it is known by now: what is sent again must be what was sent.
    this.#send({ stream, ref, payload: { action, pk: action === 'create' ? undefined : pk, data, expect } })
  }
}

const sameRow = (a: Pick<Intent, 'stream' | 'row'>, b: Pick<Intent, 'stream' | 'row'>) =>
  a.stream === b.stream && a.row === b.row

/** Only what has not left; and a write with `expect` is a question of its own. */
const mergeable = (last: Write, next: Intent) =>
  last.state === 'waiting' &&
  last.subscription === next.subscription &&
  [last, next].every(({ action, expect }) => action === 'update' && expect === undefined) &&
  size(last) + size(next) <= MAX_CHARACTERS

const size = ({ data, expect }: Intent) => JSON.stringify([data, expect]).length

const TOO_MANY = [
  'too_many',
  `${MAX_UNSETTLED} writes wait for an answer. Try again when you are back online.`,
] as const
const TOO_LARGE = ['too_large', `A write may have ${MAX_CHARACTERS} characters; this one has more.`] as const

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
