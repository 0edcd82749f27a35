import { describe, expect, test } from 'vitest'
import { refusal, visit, params } from './page.ts'
import { settled } from './browser.ts'

type Doing = { pk?: number }

const said = (name: string, person?: string, state: Doing = {}) => ({ name, person, state })
const tell = (joined: object, more: object = {}) => ({
  stream: 'posts',
  params,
  payload: { action: 'presence', joined, left: [], ...more },
})

/** A page whose person listens to who is here. The server has answered that their tab is `k1`. */
function visitPresent() {
  const page = visit()
  const presence = page.socket.presence<Doing>('posts', { params })
  const drawn: string[] = []
  const stop = presence.subscribe(people =>
    drawn.push(people.map(one => one.name + (one.isMe ? '!' : '')).join()),
  )
  page.browser.wire.open()
  page.browser.wire.snapshot([])
  const answer = (key = 'k1') => {
    const { wire } = page.browser
    wire.tell({ stream: 'posts', params, ref: wire.last('presence').ref, payload: { action: 'ack', key } })
  }
  answer()
  page.browser.wire.tell(tell({ k1: said('alice', 'a') }, { first: true }))
  drawn.length = 0
  return { ...page, presence, drawn, stop, answer }
}

const saidOf = ({ browser }: ReturnType<typeof visitPresent>) =>
  browser.wire.sent.filter(({ payload }) => payload.action === 'presence').map(({ payload }) => payload)

test('who listens has subscribed, and then says that they are here', () => {
  const page = visit()

  page.socket.presence('posts', { params }).subscribe(() => {})
  page.browser.wire.open()
  expect(page.browser.wire.sent.map(({ payload }) => payload.action)).toEqual(['subscribe'])
  page.browser.wire.snapshot([])

  expect(page.browser.wire.last()).toMatchObject({ stream: 'posts', params, payload: { state: {} } })
})

test('people come, do something and leave', () => {
  const { browser, presence } = visitPresent()

  browser.wire.tell(tell({ k2: said('bob', 'b') }))
  browser.wire.tell(tell({ k3: said('') }, { more: 7 }))
  browser.wire.tell(tell({ k2: said('bob', 'b', { pk: 1 }) }, { left: ['k3'] }))

  expect(presence.people).toEqual([
    { $key: 'a', name: 'alice', isMe: true, states: [] },
    { $key: 'b', name: 'bob', isMe: false, states: [{ pk: 1 }] },
  ])
  expect(presence.more).toBe(0)
})

test('the tabs of one person are one person, and those of nobody are not', () => {
  const { browser, presence } = visitPresent()

  browser.wire.tell(
    tell({
      k2: said('bob', 'b', { pk: 1 }),
      k3: said('bob', 'b', { pk: 2 }),
      k4: said(''),
      k5: said(''),
      k6: said('alice', 'a', { pk: 3 }),
    }),
  )

  expect(presence.people.map(({ name, isMe, states }) => [name, isMe, states])).toEqual([
    ['alice', true, [{ pk: 3 }]],
    ['bob', false, [{ pk: 1 }, { pk: 2 }]],
    ['', false, [{}]],
    ['', false, [{}]],
  ])
})

test('nobody moves because somebody does something', () => {
  const { browser, presence } = visitPresent()

  browser.wire.tell(tell({ k2: said('bob', 'b'), k3: said('carol', 'c') }))
  browser.wire.tell(tell({ k2: said('bob', 'b', { pk: 1 }), k1: said('alice', 'a', { pk: 2 }) }))

  expect(presence.people.map(({ name }) => name)).toEqual(['alice', 'bob', 'carol'])
})

test('while what one does is on its way, only the last thing waits', () => {
  const page = visitPresent()
  const { presence, answer } = page

  for (const pk of [1, 2, 3]) presence.set({ pk })
  answer()

  expect(saidOf(page)).toEqual([{}, { pk: 1 }, { pk: 3 }].map(state => ({ action: 'presence', state })))
})

test('what one does already is not said again', () => {
  const page = visitPresent()
  page.presence.set({ pk: 1 })
  page.answer()

  page.presence.set({ pk: 1 })

  expect(saidOf(page)).toHaveLength(2)
})

test('what the caller does with a state later changes nothing', () => {
  const page = visitPresent()
  const doing = { pk: 1 }
  page.presence.set({ pk: 0 })
  page.presence.set(doing)
  doing.pk = 2

  page.answer()

  expect(saidOf(page).at(-1)).toEqual({ action: 'presence', state: { pk: 1 } })
})

test('what one does before there is a connection is said when there is', () => {
  const { browser, socket } = visit()
  const presence = socket.presence<Doing>('posts', { params })
  presence.set({ pk: 1 })
  presence.subscribe(() => {})
  presence.set({ pk: 2 })

  browser.wire.open()
  browser.wire.snapshot([])

  expect(browser.wire.sent.map(({ payload }) => payload)).toMatchObject([
    { action: 'subscribe' },
    { action: 'presence', state: { pk: 2 } },
  ])
})

test('who comes back says the same again, and everybody is replaced in one step', () => {
  const { browser, presence, drawn, answer } = visitPresent()
  browser.wire.tell(tell({ k2: said('bob', 'b'), k3: said('carol', 'c') }))
  presence.set({ pk: 1 })
  drawn.length = 0

  browser.wire.drop()
  browser.pass(1_000)
  browser.wire.open()
  browser.wire.snapshot([])
  expect(browser.wire.last().payload).toEqual({ action: 'presence', state: { pk: 1 } })
  answer('k8')
  browser.wire.tell(tell({ k9: said('carol', 'c'), k8: said('alice', 'a') }, { first: true }))

  expect(drawn).toEqual(['alice!,carol'])
})

test('after a reset one says it again when the rows are back', () => {
  const { browser } = visitPresent()

  browser.wire.tell({ stream: 'posts', params, payload: { action: 'reset', reason: 'odd' } })
  expect(browser.wire.last().payload.action).toBe('subscribe')
  browser.wire.snapshot([])

  expect(browser.wire.last().payload).toEqual({ action: 'presence', state: {} })
})

test('who listens no more has left', () => {
  const page = visitPresent()
  const other = page.presence.subscribe(() => {})

  page.stop()
  expect(saidOf(page)).toHaveLength(1)
  other()
  page.browser.wire.tell(tell({ k2: said('bob', 'b') })) // it was on its way

  expect(saidOf(page).at(-1)).toEqual({ action: 'presence', state: null })
  expect(page.presence.people).toEqual([])
})

test('who has left can come again', () => {
  const page = visitPresent()
  page.stop()

  page.presence.subscribe(() => {})
  page.answer('k2')
  page.browser.wire.tell(tell({ k2: said('alice', 'a') }, { first: true }))

  expect(page.presence.people).toMatchObject([{ name: 'alice', isMe: true }])
})

test('without a connection one leaves in silence', () => {
  const { browser, stop } = visitPresent()
  browser.wire.drop()

  stop()
  browser.pass(60_000)
  browser.wire.open()

  expect(browser.wire.sent.filter(({ payload }) => payload.action === 'presence')).toEqual([])
})

describe('refused', () => {
  test('a state: it says why, until the next one is taken', () => {
    const { browser, presence, answer } = visitPresent()
    presence.set({ pk: 1 })

    browser.wire.tell(refusal(browser.wire.last(), 'too_large'))
    expect(presence.error).toMatchObject({ code: 'too_large' })
    browser.wire.tell(tell({ k2: said('bob') }))
    expect(presence.error).not.toBeNull()
    presence.set({ pk: 2 })
    answer()

    expect(presence.error).toBeNull()
    expect(presence.people).toHaveLength(2)
  })

  test('the subscription: nobody is shown, and it says why', () => {
    const { browser, presence } = visitPresent()

    browser.wire.tell({ stream: 'posts', params, payload: { action: 'reset', reason: 'forbidden' } })

    expect(presence).toMatchObject({ people: [], more: 0, error: { code: 'forbidden' } })
  })
})

test('an answer to something else is not for it', () => {
  const { browser, presence } = visitPresent()

  browser.wire.tell({ stream: 'posts', ref: 'other', payload: { action: 'ack', key: 'k9' } })
  browser.wire.tell({
    stream: 'posts',
    ref: 'other',
    payload: { action: 'error', code: 'failed', message: '…' },
  })

  expect(presence).toMatchObject({ people: [{ isMe: true }], error: null })
})

test('who asks twice gets the same, and another for other params', () => {
  const { socket } = visit()

  const one = socket.presence('posts', { params })

  expect(socket.presence('posts', { params: { ...params } })).toBe(one)
  expect(socket.presence('posts')).not.toBe(one)
})

test('the rows and who sees them share one subscription', async () => {
  const { browser, socket, posts } = visit()
  posts.subscribe(() => {})
  socket.presence('posts', { params }).subscribe(() => {})

  browser.wire.open()
  browser.wire.snapshot([])
  await settled()

  expect(browser.wire.sent.map(({ payload }) => payload.action)).toEqual(['subscribe', 'presence'])
})
