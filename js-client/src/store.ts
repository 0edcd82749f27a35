/** protocol → backoff → **store** → environment → connection → …
 *
 *  A value that tells when it changes: the one contract of this client, for its own parts and for every adapter.
 */

/** What can be watched. */
export interface Readable<T> {
  /** The value now. */
  readonly value: T
  /** Call `listener` with the value at once and on each change. Returns what stops it. */
  subscribe(listener: (value: T) => void): () => void
}

export class Store<T> implements Readable<T> {
  #value: T
  readonly #listeners = new Set<() => void>()

  constructor(value: T) {
    this.#value = value
  }

  get value(): T {
    return this.#value
  }

  get watched(): boolean {
    return this.#listeners.size > 0
  }

  set(value: T): void {
    this.#value = value
    // A listener may set again. Those after it then hear the newer value twice, never the older one last.
    for (const tell of new Set(this.#listeners)) if (this.#listeners.has(tell)) tell()
  }

  subscribe(listener: (value: T) => void): () => void {
    const tell = () => {
      try {
        listener(this.#value)
      } catch (error) {
        // It belongs to whoever wrote the listener, not to the frame in hand, and must not silence the others.
        queueMicrotask(() => {
          throw error
        })
      }
    }
    this.#listeners.add(tell)
    tell()
    return () => {
      this.#listeners.delete(tell)
    }
  }
}
