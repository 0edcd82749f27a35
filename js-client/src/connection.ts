/** … store → environment → **connection** → writes → rows → subscription → …
 *
 *  One WebSocket that is kept alive: opened again when lost, asked when silent, left alone when refused.
 *  It carries text and knows nothing of rows.
 */

import { delayMs } from './backoff.ts'
import type { Environment, BrowserSocket } from './environment.ts'
import { encode, newRef, REFUSALS, retryAfterMs } from './protocol.ts'
import { Store } from './store.ts'

/** - `idle`: nobody needs it yet.
 *  - `connecting`: the handshake is under way.
 *  - `online`: frames go both ways.
 *  - `waiting`: lost; the next try is at `retryAt`.
 *  - `offline`: the browser says there is no network, or has put the page away. What you see may be old.
 *  - `closed`: for good. Without a code: you called `close()`. With one, the server refused:
 *    4401 log in, 4403 forbidden, 4404 no such place, 4409 logged out. */
export type State = 'idle' | 'connecting' | 'online' | 'waiting' | 'offline' | 'closed'

export interface Status {
  readonly state: State
  /** When `waiting`: the time of the next try, in milliseconds since 1970. */
  readonly retryAt?: number
  /** The close code the server gave, if it gave one. */
  readonly code?: number
}

type Cause = 'wanted' | 'opened' | 'lost' | 'refused' | 'due' | 'seen' | 'plugged' | 'unplugged' | 'closed'

const MOVES: Record<State, Partial<Record<Cause, State>>> = {
  idle: { wanted: 'connecting', closed: 'closed' },
  connecting: {
    opened: 'online',
    lost: 'waiting',
    refused: 'closed',
    unplugged: 'offline',
    closed: 'closed',
  },
  online: { lost: 'waiting', refused: 'closed', unplugged: 'offline', closed: 'closed' },
  waiting: {
    due: 'connecting',
    seen: 'connecting',
    plugged: 'connecting',
    unplugged: 'offline',
    closed: 'closed',
  },
  offline: { due: 'connecting', plugged: 'connecting', closed: 'closed' },
  closed: {},
}

const HANDSHAKE_MS = 20_000 // TLS on a poor line takes less; browsers themselves give up only after minutes
const SILENCE_MS = 25_000 // PROTOCOL, Ping: nothing heard for so long → ask
const ANSWER_MS = 10_000 // PROTOCOL, Ping: and nothing after that → reconnect
const DOUBT_MS = 20_000 // `offline` is the browser's guess, wrong if the server is on this machine: try all the same
const STABLE_MS = 20_000 // up for so long → the next loss counts as the first. Less, and a server that dies at once is hammered

export class Connection {
  readonly status = new Store<Status>({ state: 'idle' })
  readonly #url: string
  readonly #receive: (data: unknown) => void
  readonly #environment: Environment
  readonly #listening = new AbortController()
  #socket: BrowserSocket | undefined
  #disarm: () => void = () => {}
  #attempt = 0
  #onlineAt = 0
  #heardAt = 0
  #asked = false // a ping is out, and nothing was heard since
  #notBefore = 0

  constructor(url: string, receive: (data: unknown) => void, environment: Environment) {
    this.#url = url
    this.#receive = receive
    this.#environment = environment
  }

  /** It is connected, or tries to be, from now on. */
  open(): void {
    if (this.status.value.state !== 'idle') return
    this.#listen()
    this.#move('wanted')
  }

  /** It is closed for good. */
  close(): void {
    this.#move('closed')
  }

  /** The text is with the browser. Only while `online`. */
  send(text: string): void {
    this.#socket?.send(text)
  }

  #move(cause: Cause, more: Omit<Status, 'state'> = {}): void {
    const from = this.status.value.state
    const to = MOVES[from][cause]
    if (to === undefined) return
    this.#environment.log(`connection: ${from} → ${to} (${cause})`)
    this.#disarm()
    if (to !== 'online') this.#hangUp()
    if (to === 'connecting') this.#dial()
    if (to === 'online') this.#attend()
    if (to === 'waiting') this.#arm((more.retryAt ?? 0) - this.#environment.now(), () => this.#move('due'))
    if (to === 'offline') this.#arm(DOUBT_MS, () => this.#move('due'))
    if (to === 'closed') this.#listening.abort()
    this.status.set({ state: to, ...more })
  }

  /** There is one timer, and each state has one use for it. */
  #arm(ms: number, run: () => void): void {
    this.#disarm()
    this.#disarm = this.#environment.after(ms, run)
  }

  #dial(): void {
    this.#arm(HANDSHAKE_MS, () => this.#lost())
    try {
      const socket = new this.#environment.WebSocket(this.#url)
      this.#socket = socket
      socket.onopen = () => {
        this.#onlineAt = this.#heardAt = this.#environment.now()
        this.#asked = false
        this.#move('opened')
      }
      socket.onmessage = ({ data }) => {
        this.#heardAt = this.#environment.now()
        this.#asked = false
        this.#receive(data)
      }
      socket.onclose = ({ code, reason }) => this.#lost(code, reason)
    } catch (error) {
      // A content security policy, or ws: on an https: page. The browser's console says more; we try again later.
      this.#environment.log(`connection: ${String(error)}`)
    }
  }

  #hangUp(): void {
    const socket = this.#socket
    if (!socket) return
    this.#socket = undefined
    socket.onopen = socket.onmessage = socket.onclose = null // what it still says is about a connection we have left
    socket.close()
  }

  #lost(code?: number, reason = ''): void {
    if (code !== undefined && code in REFUSALS) return this.#move('refused', { code })
    const now = this.#environment.now()
    const stable = this.status.value.state === 'online' && now - this.#onlineAt >= STABLE_MS
    this.#attempt = stable ? 1 : this.#attempt + 1
    this.#notBefore = now + retryAfterMs(reason)
    const retryAt = this.#notBefore + delayMs(this.#attempt, this.#environment.random)
    return this.#move('lost', code === undefined ? { retryAt } : { retryAt, code })
  }

  /** Silence is noticed. */
  #attend(): void {
    // Both ways: the clock of a laptop may be set back.
    const silent = Math.abs(this.#environment.now() - this.#heardAt)
    if (silent >= SILENCE_MS) this.#ask()
    else this.#arm(SILENCE_MS - silent, () => this.#attend())
  }

  #ask(): void {
    if (this.#asked) return
    this.#asked = true
    this.send(encode({ stream: '', ref: newRef(), payload: { action: 'ping' } }))
    this.#arm(ANSWER_MS, () => (this.#asked ? this.#lost() : this.#attend()))
  }

  #listen(): void {
    const { window, document, now } = this.#environment
    const { signal } = this.#listening
    const hurry = (cause: 'plugged' | 'seen') => {
      // A connection that was up before the network changed, or the lid closed, is up or dead: ask now, not in 25 s.
      if (this.status.value.state === 'online') this.#ask()
      else if (now() >= this.#notBefore) this.#move(cause)
    }
    window?.addEventListener('online', () => hurry('plugged'), { signal })
    window?.addEventListener('offline', () => this.#move('unplugged'), { signal })
    // A page with an open socket is not kept for the back button. Hung up, it is, and resumes when shown again.
    window?.addEventListener('pagehide', () => this.#move('unplugged'), { signal })
    window?.addEventListener('pageshow', () => this.#move('plugged'), { signal })
    document?.addEventListener(
      'visibilitychange',
      () => document.visibilityState === 'visible' && hurry('seen'),
      { signal },
    )
  }
}
