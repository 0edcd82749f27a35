import { describe, expect, test } from 'vitest'
import { ack, bodies, change, params, post, refusal, visit, visitLive } from './page.ts'

test('each frame goes to the list of its stream and params', () => {
  const { browser, socket, posts } = visitLive([post(1, 'a')])
  const others = [{ liveblog: 4 }, { liveblog: 3, draft: true }, {}].map(named =>
    socket.collection<{ body: string }>('posts', { params: named }),
  )
  for (const other of others) {
    other.subscribe(() => {})
    browser.wire.snapshot([])
  }

  browser.wire.tell({ ...change('create', post(2, 'b')), params: { draft: true, liveblog: 3 } })
  browser.wire.tell({ ...change('create', post(3, 'c')), params: undefined })
  browser.wire.tell({ ...change('create', post(4, 'd')), stream: 'comments' })

  expect([posts, ...others].map(list => list.rows.map(row => row.body).join())).toEqual(['a', '', 'b', 'c'])
})

test('who asks for the same stream and params shares one subscription, whatever the order of the params', () => {
  const { browser, socket } = visit()

  socket.collection('a', { params: { x: 1, y: 2 } }).subscribe(() => {})
  socket.collection('a', { params: { y: 2, x: 1 } }).subscribe(() => {})
  browser.wire.open()

  expect(browser.wire.sent).toHaveLength(1)
})

test('params changed after the call change nothing', () => {
  const { browser, socket } = visit()
  const mine = { x: 1 }
  const list = socket.collection('a', { params: mine })
  mine.x = 2

  list.subscribe(() => {})
  browser.wire.open()

  expect(browser.wire.last().params).toEqual({ x: 1 })
})

test('a ping of the server is answered with its own ref', () => {
  const { browser } = visitLive()

  browser.wire.tell('{"stream":"","ref":"p1","payload":{"action":"ping"}}')

  expect(browser.wire.last()).toEqual({ stream: '', ref: 'p1', payload: { action: 'ack' } })
})

test('what it does not understand changes nothing', () => {
  const { browser, posts, drawn } = visitLive([post(1, 'a')])

  browser.wire.tell('not JSON')
  browser.wire.tell({ stream: 'posts', params, payload: { action: 'applause' } })
  browser.wire.tell({ stream: '', payload: { action: 'error', code: 'bad_frame', message: '…' } })
  browser.wire.tell({ stream: '', ref: 'x', payload: { action: 'ack' } })

  expect(drawn).toEqual([])
  expect(posts.status).toBe('live')
})

test('nobody can write on a new connection before the older writes have left', () => {
  const { browser, socket, posts } = visitLive([post(1, 'a')])
  void posts.create({ body: 'older' })
  browser.wire.drop()
  let once = true
  socket.status.subscribe(({ state }) => {
    if (state !== 'online' || !once) return
    once = false
    void posts.create({ body: 'newer' })
  })
  browser.pass(1_000)

  browser.wire.open()

  expect(browser.wire.sent.map(({ payload }) => payload.data ?? payload.action)).toEqual([
    { body: 'older' },
    'subscribe',
    { body: 'newer' },
  ])
})

describe('closed by the page', () => {
  test('the rows stay, as stale; writes without an answer are rejected, and new ones', async () => {
    const { browser, socket, posts } = visitLive([post(1, 'a')])
    const open = posts.update(1, { body: 'b' })
    const gone = Promise.all([
      expect(open).rejects.toMatchObject({ code: 'closed' }),
      expect(Promise.resolve().then(() => posts.create({ body: 'c' }))).rejects.toMatchObject({
        code: 'closed',
      }),
    ])

    socket.close()

    await gone
    expect(posts.status).toBe('stale')
    expect(bodies(posts)).toBe('a')
    expect(socket.status.value).toEqual({ state: 'closed' })
    expect(browser.wire.closed).toBe(true)
  })

  test('an answer that was kept back is given', async () => {
    const { browser, socket, posts } = visitLive([post(1, 'a')])
    const promise = posts.update(1, { body: 'b' })
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()
    browser.wire.tell(ack(browser.wire.last('update'), 1))

    socket.close()

    expect(await promise).toEqual({ pk: 1 })
  })

  test('a list woken afterwards says so', () => {
    const { socket, posts } = visit()
    socket.close()

    posts.subscribe(() => {})

    expect(posts).toMatchObject({ status: 'idle', error: { code: 'closed' } })
  })
})

describe('closed by the server', () => {
  test.each([
    [4401, 'forbidden'],
    [4403, 'forbidden'],
    [4404, 'not_found'],
    [4409, 'forbidden'],
  ])('with %i the lists are emptied and writes are rejected with %s', async (code, reason) => {
    const { browser, socket, posts } = visitLive([post(1, 'a')])
    const rejected = expect(posts.update(1, { body: 'b' })).rejects.toMatchObject({ code: reason })

    browser.wire.drop(code)

    await rejected
    expect(posts).toMatchObject({ status: 'idle', rows: [], error: { code: reason } })
    expect(socket.status.value).toEqual({ state: 'closed', code })
  })

  test('with 4408 it comes back and resumes', () => {
    const { browser, posts } = visitLive([post(1, 'a')])

    browser.wire.drop(4408)
    browser.pass(1_000)
    browser.wire.open()

    expect(posts.status).toBe('stale')
    expect(browser.wire.last().payload).toEqual({ action: 'subscribe', since: 'c1' })
  })

  test('a refused write says why', async () => {
    const { browser, posts } = visitLive()
    const promise = posts.create({ body: 'x' })

    browser.wire.tell(refusal(browser.wire.last(), 'ref_reused'))

    await expect(promise).rejects.toMatchObject({ code: 'ref_reused', message: 'No: ref_reused.' })
  })
})
