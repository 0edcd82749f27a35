import { beforeEach, describe, expect, test } from 'vitest'
import { Connection, type Status } from '../src/connection.ts'
import { Browser } from './browser.ts'

let browser: Browser
let connection: Connection
let heard: unknown[]
let seen: Status[]

beforeEach(() => {
  browser = new Browser()
  heard = []
  seen = []
  connection = new Connection('wss://example.com/ws/', data => heard.push(data), browser.environment)
  connection.status.subscribe(status => seen.push(status))
})

const state = () => connection.status.value.state

/** Opened, and silent since `ms`. */
function online(ms = 0) {
  connection.open()
  browser.wire.open()
  browser.pass(ms)
}

test('it connects when it is needed, and not before', () => {
  browser.pass(100_000)
  expect(browser.wires).toHaveLength(0)

  connection.open()
  connection.open()
  browser.wire.open()

  expect(browser.wires).toHaveLength(1)
  expect(browser.wire.url).toBe('wss://example.com/ws/')
  expect(seen.map(status => status.state)).toEqual(['idle', 'connecting', 'online'])
})

test('each move is logged', () => {
  online()
  browser.wire.drop()

  expect(browser.log).toEqual([
    'connection: idle → connecting (wanted)',
    'connection: connecting → online (opened)',
    'connection: online → waiting (lost)',
  ])
})

test('text goes both ways', () => {
  online()

  connection.send('{"stream":"a"}')
  browser.wire.tell('hello')

  expect(browser.wire.sent).toEqual([{ stream: 'a' }])
  expect(heard).toEqual(['hello'])
})

describe('when it is lost', () => {
  test('it says when it tries again, and does', () => {
    online(20_000)

    browser.wire.drop(1006)

    expect(connection.status.value).toEqual({ state: 'waiting', retryAt: browser.now + 500, code: 1006 })
    browser.pass(499)
    expect(browser.wires).toHaveLength(1)
    browser.pass(1)
    expect(browser.wires).toHaveLength(2)
    expect(state()).toBe('connecting')
  })

  test('it waits longer after each try, up to 20 s', () => {
    browser.random = 1
    online()
    const waits: number[] = []

    for (let count = 0; count < 7; count++) {
      browser.wire.drop()
      waits.push((connection.status.value.retryAt ?? 0) - browser.now)
      browser.pass(waits.at(-1) ?? 0)
    }

    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000])
  })

  test('it is as patient with a server that takes it and dies at once', () => {
    browser.random = 1
    online()
    browser.wire.drop()
    browser.pass(1_000)

    browser.wire.open()
    browser.wire.drop()

    expect(connection.status.value.retryAt).toBe(browser.now + 2_000)
  })

  test('it begins anew after it has been up for 20 s', () => {
    browser.random = 1
    online()
    browser.wire.drop()
    browser.pass(1_000)

    browser.wire.open()
    browser.pass(20_000)
    browser.wire.drop()

    expect(connection.status.value.retryAt).toBe(browser.now + 1_000)
  })

  test('it stays away as long as the server asks, and a little longer', () => {
    online(20_000)

    browser.wire.drop(4503, '{"retry_after_ms": 7000}')

    expect(connection.status.value.retryAt).toBe(browser.now + 7_500)
    browser.tell('online')
    browser.look('visible')
    expect(state()).toBe('waiting')
    browser.pass(7_000)
    browser.tell('online')
    expect(state()).toBe('connecting')
  })

  test.each([4500, 4503, 4408, 4413])('it comes back after %i', code => {
    online()
    browser.wire.drop(code)
    browser.pass(20_000)

    expect(state()).toBe('connecting')
  })

  test.each([4401, 4403, 4404, 4409])('it does not come back after %i', code => {
    online()

    browser.wire.drop(code)
    browser.pass(1_000_000)
    browser.tell('online')

    expect(connection.status.value).toEqual({ state: 'closed', code })
    expect(browser.wires).toHaveLength(1)
    expect(browser.timers).toBe(0)
  })
})

test('a handshake that takes more than 20 s is given up', () => {
  connection.open()
  const [first] = browser.wires

  browser.pass(20_000)

  expect(state()).toBe('waiting')
  expect(first?.closed).toBe(true)
  first?.open()
  expect(state()).toBe('waiting')
})

test('a browser that refuses to open a socket is asked again later', () => {
  browser.refusal = new Error('content security policy')
  connection.open()
  expect(browser.log).toContain('connection: Error: content security policy')

  browser.refusal = undefined
  browser.pass(21_000)
  browser.wire.open()

  expect(state()).toBe('online')
})

describe('silence', () => {
  const ping = { stream: '', ref: expect.any(String), payload: { action: 'ping' } }

  test('of 25 s is a question, and any frame an answer', () => {
    online(24_999)
    expect(browser.wire.sent).toEqual([])

    browser.pass(1)
    expect(browser.wire.sent).toEqual([ping])
    browser.wire.tell('something')
    browser.pass(20_000)

    expect(state()).toBe('online')
  })

  test('is counted from the last frame', () => {
    online(20_000)
    browser.wire.tell('something')

    browser.pass(24_999)
    expect(browser.wire.sent).toEqual([])
    browser.pass(1)

    expect(browser.wire.sent).toEqual([ping])
  })

  test('of 10 s after the question is the end of the connection', () => {
    online(25_000)
    const { wire } = browser

    browser.pass(9_999)
    expect(state()).toBe('online')
    browser.pass(1)

    expect(state()).toBe('waiting')
    expect(wire.closed).toBe(true)
  })

  test('is noticed though the clock was set back', () => {
    online()
    browser.pass(24_000)
    browser.now -= 3_600_000
    browser.pass(3_600_000 + 1_000)

    expect(browser.wire.sent.length).toBeGreaterThan(0)
  })

  test('is asked about again in each connection', () => {
    online(35_000)
    browser.pass(500)
    browser.wire.open()

    browser.pass(25_000)

    expect(browser.wires).toHaveLength(2)
    expect(browser.wire.sent).toEqual([ping])
  })
})

describe('the page', () => {
  test('goes offline: no try until it is back, but one each 20 s in case it is wrong', () => {
    online()
    const { wire } = browser

    browser.tell('offline')
    expect(state()).toBe('offline')
    expect(wire.closed).toBe(true)
    browser.look('visible')
    expect(state()).toBe('offline')
    browser.tell('online')

    expect(state()).toBe('connecting')
    browser.tell('offline')
    browser.pass(20_000)
    expect(state()).toBe('connecting')
  })

  test('comes online while we wait: no more waiting', () => {
    browser.random = 1
    online()
    browser.wire.drop()

    browser.tell('online')

    expect(state()).toBe('connecting')
  })

  test('is looked at while we wait: no more waiting', () => {
    browser.random = 1
    online()
    browser.wire.drop()

    browser.look('hidden')
    expect(state()).toBe('waiting')
    browser.look('visible')

    expect(state()).toBe('connecting')
  })

  test.each([
    ['looked at again', () => browser.look('visible')],
    ['on another network', () => browser.tell('online')],
  ])('is %s: the connection is asked at once, and once', (_, happen) => {
    online(1_000)

    happen()
    happen()
    browser.pass(9_999)
    expect(browser.wire.sent).toHaveLength(1)
    browser.pass(1)

    expect(state()).toBe('waiting')
  })

  test('is put away: the connection ends, so that the browser may keep the page, and is back with it', () => {
    online()

    browser.tell('pagehide')
    expect(state()).toBe('offline')
    browser.tell('pageshow')

    expect(state()).toBe('connecting')
  })

  test('is shown for the first time: nothing', () => {
    connection.open()
    browser.tell('pageshow')
    browser.wire.open()
    browser.tell('pageshow')

    expect(browser.wire.sent).toEqual([])
    expect(browser.wires).toHaveLength(1)
  })
})

test('closed, it stays closed and leaves nothing behind', () => {
  online()
  const { wire } = browser

  connection.close()
  connection.open()
  browser.tell('online')
  browser.tell('pageshow')
  wire.tell('too late')
  wire.drop()

  expect(connection.status.value).toEqual({ state: 'closed' })
  expect(wire.closed).toBe(true)
  expect(heard).toEqual([])
  expect(browser.timers).toBe(0)
})

test('closed before it was opened, it is never opened', () => {
  connection.close()
  connection.open()

  expect(state()).toBe('closed')
  expect(browser.wires).toHaveLength(0)
})

test('without a window it works as well', () => {
  const bare = new Connection('wss://example.com/', () => {}, {
    ...browser.environment,
    window: undefined,
    document: undefined,
  })

  bare.open()
  browser.wire.open()

  expect(bare.status.value).toEqual({ state: 'online' })
})
