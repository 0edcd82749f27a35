/** `Alpine.plugin(live(socket))` gives `$live`, `$presence` and `$connection` to your HTML, on Alpine's CSP build too.
 *
 *  ```html
 *  <main x-data="{ posts: $live('posts', { order: '-created' }) }">
 *    <p x-text="$connection.state"></p>
 *    <template x-for="post in posts.rows" :key="post.$key"><p x-text="post.body"></p></template>
 *  </main>
 *  ```
 */

import type {
  Collection,
  CollectionOptions,
  Data,
  Liveness,
  Params,
  Person,
  Presence,
  Row,
  Socket,
  State,
  WriteError,
} from '../index.ts'

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

/** What `$presence(stream, options)` returns: reactive. You are here for as long as the element lives. */
export interface LivePresence<S extends object> extends Pick<Presence<S>, 'set'> {
  people: readonly Person<S>[]
  more: number
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

type Stop = () => void

export default function live(socket: Socket): (Alpine: AlpineLike) => void {
  return Alpine => {
    const lives = ofElements<Live<object>>()
    Alpine.magic(
      'live',
      (element, { cleanup }) =>
        (stream: string, options: CollectionOptions<object> = {}) =>
          lives(element, cleanup, [stream, options.params, String(options.order)], () => {
            const collection = socket.collection(stream, options)
            const state: Live<object> = Alpine.reactive({
              rows: collection.rows, // frozen, so Alpine leaves them as they are: `x-for` sees the same row as before
              status: collection.status,
              error: collection.error,
              create: data => collection.create(data),
              update: (target, data, more) => collection.update(target, data, more),
              delete: target => collection.delete(target),
            })
            const stop = collection.subscribe(rows => {
              state.rows = rows
              state.status = collection.status
              state.error = collection.error
            })
            return [state, stop]
          }),
    )

    const presences = ofElements<LivePresence<Data>>()
    Alpine.magic(
      'presence',
      (element, { cleanup }) =>
        (stream: string, options: { params?: Params } = {}) =>
          presences(element, cleanup, [stream, options.params], () => {
            const presence = socket.presence(stream, options)
            const state: LivePresence<Data> = Alpine.reactive({
              people: presence.people,
              more: presence.more,
              error: presence.error,
              set: doing => presence.set(doing),
            })
            const stop = presence.subscribe(people => {
              state.people = people
              state.more = presence.more
              state.error = presence.error
            })
            return [state, stop]
          }),
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

/** Alpine reads a magic anew each time an expression runs: an element's second `$live('posts')` is its first. */
function ofElements<T>() {
  const all = new WeakMap<object, Map<string, T>>()
  return (
    element: object,
    cleanup: (stop: Stop) => void,
    what: unknown,
    make: () => readonly [T, Stop],
  ): T => {
    const known = all.get(element) ?? new Map<string, T>()
    all.set(element, known)
    const name = JSON.stringify(what)
    const before = known.get(name)
    if (before !== undefined) return before
    const [state, stop] = make()
    known.set(name, state)
    cleanup(() => {
      stop()
      known.delete(name)
    })
    return state
  }
}
