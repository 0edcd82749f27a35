/** … subscription → collection → **presence** → demultiplexer
 *
 *  Who is here, as the server says it, and what this tab says that it does.
 *  Its twin is `channels_databinding/presence.py`.
 */

import { type Data, type Entry, type Frame, newRef, type WriteError } from './protocol.ts'
import { same } from './rows.ts'
import { Store } from './store.ts'
import type { Subscription } from './subscription.ts'

/** Somebody who is here, in one tab or in many. */
export interface Person<S extends object = Data> {
  /** The same for as long as they are here. */
  readonly $key: string
  /** What the server calls them: '' for who has no name. */
  readonly name: string
  /** It is you. */
  readonly isMe: boolean
  /** What they do, in each of their tabs but this one; what changed last comes last. */
  readonly states: readonly S[]
}

interface View {
  readonly people: readonly Person<Data>[]
  readonly more: number
  readonly error: WriteError | null
}

const NOBODY: View = Object.freeze({ people: Object.freeze([]), more: 0, error: null })

export class Presence<S extends object = Data> {
  readonly #subscription: Subscription
  readonly #view = new Store<View>(NOBODY)
  #entries = new Map<string, Entry>()
  #more = 0
  #error: WriteError | null = null
  #state: Data = {}
  /** This tab's entry. */
  #key: string | undefined
  /** The ref of what we have said and is not answered. Meanwhile the last state waits: one on the way, one behind it. */
  #asked: string | undefined
  #waits = false
  #isLive = false
  #unfollow: () => void = () => {}

  constructor(subscription: Subscription) {
    this.#subscription = subscription
  }

  /** Those who are here, you among them. Who comes is the last. */
  get people(): readonly Person<S>[] {
    return this.#view.value.people as readonly Person<S>[] // here we take the caller's word for what is in a state
  }

  /** How many tabs there are besides, in a crowd. */
  get more(): number {
    return this.#view.value.more
  }

  /** Why the server refused your last state or the subscription, or null. */
  get error(): WriteError | null {
    return this.#view.value.error
  }

  /** Call `listener` at once, and whenever people, more or error change. Returns what stops it.
   *  While anybody listens you are here, too. */
  subscribe(listener: (people: readonly Person<S>[]) => void): () => void {
    if (!this.#view.watched) this.#unfollow = this.#subscription.subscribe(view => this.#follow(view))
    const stop = this.#view.subscribe(() => listener(this.people))
    return () => {
      stop()
      if (!this.#view.watched) this.#leave()
    }
  }

  /** This is what you do, for the others to see: a small object. */
  set(state: S): void {
    const copy: Data = JSON.parse(JSON.stringify(state)) // what the caller does with it later must not matter
    if (same(copy, this.#state)) return
    this.#state = copy
    this.#say()
  }

  /** A frame for this stream and params. */
  hear({ first, joined, left, more }: Extract<Frame, { action: 'presence' }>): void {
    if (!this.#isLive) return // it was on its way when we left
    if (first) this.#entries = new Map()
    for (const key of left) this.#entries.delete(key)
    for (const [key, entry] of joined) {
      this.#entries.delete(key)
      this.#entries.set(key, entry)
    }
    this.#more = more
    this.#draw()
  }

  hearAck(ref: string, key: string | undefined): void {
    if (ref !== this.#asked) return
    this.#key = key // everybody follows, if it is another one than before
    if (this.#error !== null) {
      this.#error = null
      this.#draw()
    }
    this.#settle()
  }

  hearError(ref: string, error: WriteError): void {
    if (ref !== this.#asked) return
    this.#error = error
    this.#draw()
    this.#settle()
  }

  #follow({ status, error }: Subscription['view']): void {
    const isLive = status === 'live'
    if (isLive === this.#isLive && status !== 'idle') return
    this.#isLive = isLive
    this.#asked = undefined
    if (isLive) this.#say()
    // Without a connection those who were here are shown until the first answer after it.
    else if (status === 'idle') this.#forget(error)
  }

  #say(): void {
    if (!this.#isLive) return
    this.#waits = this.#asked !== undefined
    if (this.#waits) return
    this.#asked = newRef()
    this.#subscription.say(this.#asked, { action: 'presence', state: this.#state })
  }

  #settle(): void {
    this.#asked = undefined
    if (this.#waits) this.#say()
  }

  #leave(): void {
    if (this.#isLive) this.#subscription.say(newRef(), { action: 'presence', state: null })
    this.#isLive = false
    this.#asked = undefined
    this.#unfollow()
    this.#forget(null)
  }

  #forget(error: WriteError | null): void {
    this.#entries = new Map()
    this.#more = 0
    this.#key = undefined
    this.#error = error
    this.#draw()
  }

  #draw(): void {
    const people = merge(this.#entries, this.#key, this.people)
    this.#view.set({ people, more: this.#more, error: this.#error })
  }
}

/** The tabs of each person together; in the order of last time, so that nobody on the screen moves. */
function merge(
  entries: ReadonlyMap<string, Entry>,
  me: string | undefined,
  before: readonly Person<object>[],
): View['people'] {
  const people = new Map<string, Person<Data>>()
  for (const [key, { name, person = key, state }] of entries) {
    const { isMe = false, states = [] } = people.get(person) ?? {}
    const isHere = key === me
    people.set(
      person,
      Object.freeze({
        $key: person,
        name,
        isMe: isMe || isHere,
        states: isHere ? states : [...states, state],
      }),
    )
  }
  const places = new Map(before.map(({ $key }, index) => [$key, index]))
  const place = ({ $key }: Person<Data>) => places.get($key) ?? before.length
  return Object.freeze([...people.values()].toSorted((a, b) => place(a) - place(b)))
}
