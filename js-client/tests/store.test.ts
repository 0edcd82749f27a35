import { expect, test, vi } from 'vitest'
import { Store } from '../src/store.ts'

test('a listener hears the value at once and on each change, until it stops', () => {
  const store = new Store(1)
  const heard: number[] = []

  const stop = store.subscribe(value => heard.push(value))
  store.set(2)
  stop()
  stop()
  store.set(3)

  expect(heard).toEqual([1, 2])
  expect(store.value).toBe(3)
})

test('the same function may listen twice, and stop once', () => {
  const store = new Store(1)
  const listener = vi.fn()

  store.subscribe(listener)
  const stop = store.subscribe(listener)
  stop()
  store.set(2)

  expect(listener).toHaveBeenCalledTimes(3)
  expect(store.watched).toBe(true)
})

test('a listener that sets makes nobody hear an older value last', () => {
  const store = new Store(1)
  const heard: number[] = []
  store.subscribe(value => {
    if (value === 2) store.set(3)
  })
  store.subscribe(value => heard.push(value))

  store.set(2)

  expect(heard.at(-1)).toBe(3)
  expect(heard).not.toContain(2)
})

test('a listener stopped by another one hears no more', () => {
  const store = new Store(1)
  const heard: number[] = []
  let stop = () => {}
  store.subscribe(() => stop())
  stop = store.subscribe(value => heard.push(value))

  store.set(2)

  expect(heard).toEqual([1])
})

test('a listener that stops and listens anew is told once a change', () => {
  const store = new Store(1)
  let calls = 0
  let stop = () => {}
  const again = () => {
    calls += 1
    stop()
    stop = () => {}
    if (store.value === 2 && calls < 50) stop = store.subscribe(once)
  }
  const once = () => (calls += 1)
  stop = store.subscribe(again)

  store.set(2)

  expect(calls).toBeLessThan(5)
})

test('a listener that throws silences nobody, and its error is not lost', async () => {
  const store = new Store(1)
  const heard: number[] = []
  const later = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => {})
  store.subscribe(() => {
    throw new Error('mine')
  })
  store.subscribe(value => heard.push(value))

  store.set(2)

  expect(heard).toEqual([1, 2])
  expect(() => later.mock.calls[0]?.[0]()).toThrow('mine')
  later.mockRestore()
})
