/** A browser that a test holds in its hands: clock, chance, network and page events. Nothing happens by itself.
 *
 *  ```ts
 *  const browser = new Browser()
 *  const socket = connect('wss://example.com/ws/', browser.environment)
 *  socket.collection('posts').subscribe(() => {})
 *  browser.wire.open()                      // the handshake is done
 *  browser.wire.sent                        // what the client has said, decoded
 *  browser.wire.tell({stream, payload})     // what the server says
 *  browser.wire.drop(1006)                  // the connection is gone
 *  browser.pass(25_000)                     // time passes
 *  ```
 */

import type { Environment } from '../src/index.ts'

export type Said = {
  stream: string
  params?: Record<string, unknown>
  ref: string
  payload: {
    action: string
    state?: object | null
    since?: string
    pk?: number | string
    data?: object
    expect?: object
  }
}

export class FakeWire {
  onopen: Environment['WebSocket']['prototype']['onopen'] = null
  onmessage: Environment['WebSocket']['prototype']['onmessage'] = null
  onclose: Environment['WebSocket']['prototype']['onclose'] = null
  readonly sent: Said[] = []
  readonly url: string
  opened = false
  closed = false

  constructor(url: string) {
    this.url = url
  }

  send(text: string) {
    this.sent.push(JSON.parse(text))
  }

  close() {
    this.closed = true
  }

  open() {
    this.opened = true
    this.#call(this.onopen, new Event('open'))
  }

  tell(frame: object | string) {
    const data = typeof frame === 'string' ? frame : JSON.stringify(frame)
    this.#call(this.onmessage, new MessageEvent('message', { data }))
  }

  drop(code = 1006, reason = '') {
    this.closed = true
    this.#call(this.onclose, Object.assign(new Event('close'), { code, reason, wasClean: false }))
  }

  /** The last thing the client said; or the last with this action. */
  last(action?: string): Said {
    const found = this.sent.findLast(said => !action || said.payload.action === action)
    if (!found) throw new Error(`Nothing ${action ?? ''} was sent. Sent: ${JSON.stringify(this.sent)}`)
    return found
  }

  /** Answers the last subscribe with these rows, and the cursor. */
  snapshot(rows: { pk: number | string; data: object }[], cursor = 'c1') {
    const { stream, params, ref } = this.last('subscribe')
    this.tell({ stream, params, payload: { action: 'snapshot', first: true, rows } })
    this.tell({ stream, params, ref, cursor, payload: { action: 'ack' } })
  }

  #call<E>(handler: ((this: WebSocket, event: E) => unknown) | null, event: E) {
    handler?.call(this as unknown as WebSocket, event)
  }
}

export class Browser {
  readonly wires: FakeWire[] = []
  readonly window = new EventTarget()
  readonly document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  readonly log: string[] = []
  now = 1_000_000
  random = 0.5
  /** What the WebSocket constructor throws, if anything. */
  refusal: Error | undefined
  readonly #timers = new Map<object, { at: number; run: () => void }>()

  readonly environment: Environment

  constructor() {
    const open = (url: string) => {
      if (this.refusal) throw this.refusal
      const wire = new FakeWire(url)
      this.wires.push(wire)
      return wire
    }
    this.environment = {
      // `new` returns what the function returns, if that is an object.
      WebSocket: function WebSocket(url: string) {
        return open(url)
      } as unknown as Environment['WebSocket'],
      now: () => this.now,
      random: () => this.random,
      after: (ms, run) => {
        const timer = {}
        this.#timers.set(timer, { at: this.now + ms, run })
        return () => this.#timers.delete(timer)
      },
      window: this.window,
      document: this.document,
      log: line => this.log.push(line),
    }
  }

  /** The newest connection. */
  get wire(): FakeWire {
    const wire = this.wires.at(-1)
    if (!wire) throw new Error('Nobody has connected.')
    return wire
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Time passes, and what falls due in it is done, earliest first. */
  pass(ms: number) {
    const end = this.now + ms
    for (;;) {
      const due = [...this.#timers]
        .filter(([, { at }]) => at <= end)
        .toSorted(([, a], [, b]) => a.at - b.at)[0]
      if (!due) break
      this.#timers.delete(due[0])
      this.now = Math.max(this.now, due[1].at)
      due[1].run()
    }
    this.now = end
  }

  /** The page is told of `online`, `offline`, `pagehide` or `pageshow`. */
  tell(event: string) {
    this.window.dispatchEvent(new Event(event))
  }

  look(visibilityState: 'visible' | 'hidden') {
    this.document.visibilityState = visibilityState
    this.document.dispatchEvent(new Event('visibilitychange'))
  }
}

/** Promises that are due have been settled. */
export const settled = () => new Promise<void>(resolve => setTimeout(resolve))
