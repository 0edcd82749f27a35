/** `Alpine.plugin(live(socket))` gives `$live` and `$connection` to your HTML, on Alpine's CSP build too.
 *
 *  ```html
 *  <main x-data="{ posts: $live('posts', { order: '-created' }) }">
 *    <p x-text="$connection.state"></p>
 *    <template x-for="post in posts.rows" :key="post.$key"><p x-text="post.body"></p></template>
 *  </main>
 *  ```
 */

import type { Collection, CollectionOptions, Liveness, Row, Socket, State, WriteError } from '../index.ts'

/** The part of Alpine that is used. */
export interface AlpineLike {
  reactive<T extends object>(value: T): T
  magic(
    name: string,
    read: (element: object, utilities: { cleanup: (stop: () => void) => void }) => unknown,
  ): void
}

/** What `$live(stream, options)` returns: reactive, and followed for as long as the element lives. */
export interface Live<T extends object> extends Pick<Collection<T>, 'create' | 'update' | 'delete'> {
  rows: readonly Row<T>[]
  status: Liveness
  error: WriteError | null
}

/** What `$connection` returns: reactive. */
export interface LiveConnection {
  state: State
  /** When `waiting`: the time of the next try in milliseconds since 1970, and the whole seconds until then. */
  retryAt: number | undefined
  retryInS: number | undefined
  /** The close code the server gave, if it gave one. */
  code: number | undefined
}

export default function live(socket: Socket): (Alpine: AlpineLike) => void {
  return Alpine => {
    // Alpine reads a magic anew each time an expression runs: an element's second `$live('posts')` is its first.
    const lives = new WeakMap<object, Map<string, Live<object>>>()

    Alpine.magic(
      'live',
      (element, { cleanup }) =>
        (stream: string, options: CollectionOptions<object> = {}) => {
          const known = lives.get(element) ?? new Map<string, Live<object>>()
          lives.set(element, known)
          const name = JSON.stringify([stream, options.params, String(options.order)])
          const before = known.get(name)
          if (before) return before
          const collection = socket.collection(stream, options)
          const state: Live<object> = Alpine.reactive({
            rows: collection.rows, // frozen, so Alpine leaves them as they are: `x-for` sees the same row as before
            status: collection.status,
            error: collection.error,
            create: data => collection.create(data),
            update: (target, data, more) => collection.update(target, data, more),
            delete: target => collection.delete(target),
          })
          known.set(name, state)
          const stop = collection.subscribe(rows => {
            state.rows = rows
            state.status = collection.status
            state.error = collection.error
          })
          cleanup(() => {
            stop()
            known.delete(name)
          })
          return state
        },
    )

    const connection: LiveConnection = Alpine.reactive({
      state: socket.status.value.state,
      retryAt: undefined,
      retryInS: undefined,
      code: undefined,
    })
    let timer: ReturnType<typeof setTimeout> | undefined
    const count = () => {
      const { retryAt } = connection
      const left = retryAt === undefined ? undefined : Math.max(0, retryAt - Date.now())
      connection.retryInS = left === undefined ? undefined : Math.ceil(left / 1_000)
      clearTimeout(timer)
      if (left) timer = setTimeout(count, left % 1_000 || 1_000)
    }
    socket.status.subscribe(({ state, retryAt, code }) => {
      Object.assign(connection, { state, retryAt, code })
      count()
    })
    Alpine.magic('connection', () => connection)
  }
}
