import { afterEach, expect, expectTypeOf, test, vi } from 'vitest'
import { connect, type Order, type Row } from '../src/index.ts'
import { environment } from '../src/environment.ts'
import { Browser } from './browser.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

/** The address that `url` connects to, on the page `href`. */
function address(url: string, href?: string): string {
  if (href) vi.stubGlobal('location', { href })
  const browser = new Browser()
  connect(url, browser.environment)
    .collection('a')
    .subscribe(() => {})
  return browser.wire.url
}

test.each([
  ['/ws/liveblog/', 'https://example.com/page?x=1#top', 'wss://example.com/ws/liveblog/'],
  ['/ws/liveblog/', 'http://127.0.0.1:8000/', 'ws://127.0.0.1:8000/ws/liveblog/'],
  ['ws/', 'http://example.com/blog/', 'ws://example.com/blog/ws/'],
  ['//other.example/ws/?a=1#b', 'https://example.com/', 'wss://other.example/ws/?a=1'],
  ['wss://other.example/ws/', 'http://example.com/', 'wss://other.example/ws/'],
])('%s on %s is %s', (url, href, expected) => {
  expect(address(url, href)).toBe(expected)
})

test('outside a page a full URL is needed, and said so', () => {
  expect(address('https://example.com/ws/')).toBe('wss://example.com/ws/')
  expect(() => connect('/ws/')).toThrow('"/ws/" is no URL here')
})

test('importing and connecting touches nothing until somebody looks', () => {
  const browser = new Browser()

  const socket = connect('wss://example.com/', browser.environment)
  socket.collection('posts')

  expect(browser.wires).toHaveLength(0)
  expect(browser.timers).toBe(0)
  expect(socket.status.value).toEqual({ state: 'idle' })
})

test('the real environment is the browser’s', () => {
  vi.useFakeTimers()
  const { after, random, now, log } = environment()
  const run = vi.fn()

  after(10, run)
  const callOff = after(10, run)
  callOff()
  vi.advanceTimersByTime(10)
  log('nobody listens')

  expect(run).toHaveBeenCalledTimes(1)
  expect(now()).toBe(Date.now())
  expect(random()).toBeLessThan(1)
})

test('what must not compile does not', () => {
  type Post = { body: string; created: string }
  const posts = connect('wss://example.com/', new Browser().environment).collection<Post>('posts')

  expectTypeOf(posts.rows).toEqualTypeOf<readonly Row<Post>[]>()
  expectTypeOf<'-created'>().toExtend<Order<Post>>()
  expectTypeOf<'$pk'>().toExtend<Order<Post>>()
  expectTypeOf<'autor'>().not.toExtend<Order<Post>>()
  expectTypeOf<{ autor: string }>().not.toExtend<Parameters<typeof posts.create>[0]>()
  expectTypeOf<Row<Post>>().not.toHaveProperty('pk')
  expectTypeOf<Pick<Row<Post>, '$key'>>().toEqualTypeOf<{ readonly $key: string }>()
})
