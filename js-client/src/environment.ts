/** protocol → backoff → store → **environment** → connection → …
 *
 *  What the client takes from the browser, in one place, so that a test can pass its own.
 */

/** The part of a WebSocket that is used. */
export type BrowserSocket = Pick<WebSocket, 'onopen' | 'onmessage' | 'onclose' | 'send' | 'close'>

export interface Environment {
  readonly WebSocket: new (url: string) => BrowserSocket
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Call `run` once after `ms` milliseconds. Returns what calls it off. */
  readonly after: (ms: number, run: () => void) => () => void
  /** From 0 to below 1. */
  readonly random: () => number
  /** Tells `online`, `offline`, `pagehide` and `pageshow`. */
  readonly window: EventTarget | undefined
  /** Tells `visibilitychange`. */
  readonly document: (EventTarget & { readonly visibilityState: string }) | undefined
  /** Hears each move of the connection and of each subscription, as one line. `console.debug` shows them. */
  readonly log: (line: string) => void
}

/** The real one. Looked up at each call: importing this package touches nothing. */
export const environment = (): Environment => ({
  WebSocket: globalThis.WebSocket,
  now: Date.now,
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
  random: Math.random,
  window: globalThis.window,
  document: globalThis.document,
  log: () => {},
})
