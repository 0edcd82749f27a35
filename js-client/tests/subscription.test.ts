import { describe, expect, test } from 'vitest'
import { type Said, settled } from './browser.ts'
import { ack, bodies, change, params, post, refusal, visit, visitLive } from './page.ts'

const subscribes = (sent: Said[]) => sent.filter(said => said.payload.action === 'subscribe')
const part = (rows: object[], first = false) => ({
  stream: 'posts',
  params,
  payload: { action: 'snapshot', ...(first && { first }), rows },
})
const reset = (reason: string) => ({ stream: 'posts', params, payload: { action: 'reset', reason } })
const done = ({ ref }: Said, cursor?: string) => ({
  stream: 'posts',
  params,
  ref,
  cursor,
  payload: { action: 'ack' },
})

describe('rows that the page came with', () => {
  const initial = { rows: [post(1, 'a'), post(2, 'b')], cursor: 'page' }

  function open() {
    const { browser, socket } = visit()
    const posts = socket.collection<{ body: string }>('posts', { params, initial })
    const seen: string[] = []
    const look = () => seen.push(`${posts.status} ${bodies(posts)}`)
    look()
    posts.subscribe(look)
    browser.wire.open()
    return { browser, socket, posts, seen }
  }

  test('they show before there is a connection, and only what was changed since is asked for', () => {
    const { browser, posts, seen } = open()

    expect(seen).toEqual(['idle a b', 'stale a b'])
    expect(browser.wire.last().payload).toEqual({ action: 'subscribe', since: 'page' })
    browser.wire.tell(change('update', post(2, 'c')))
    browser.wire.tell(done(browser.wire.last(), 'c1'))
    expect(`${posts.status} ${bodies(posts)}`).toBe('live a c')
  })

  test('a row stays the same object when the server has nothing new to tell', () => {
    const { browser, posts } = open()
    const before = [...posts.rows]

    browser.wire.tell(done(browser.wire.last(), 'c1'))

    expect(posts.rows.every((row, index) => row === before[index])).toBe(true)
  })

  test('a server that cannot go on from there tells all rows', () => {
    const { browser, posts } = open()

    browser.wire.snapshot([post(3, 'new')])

    expect(bodies(posts)).toBe('new')
  })

  test('they do not replace what the server has told since', () => {
    const { browser, socket, posts } = open()
    browser.wire.snapshot([post(3, 'new')])

    socket.collection('posts', { params, initial })

    expect(bodies(posts)).toBe('new')
  })

  test('an own write lies on top of them', () => {
    const { browser, posts } = open()

    void posts.update(1, { body: 'mine' })

    expect(bodies(posts)).toBe('mine* b')
    expect(browser.wire.last('update').payload.pk).toBe(1)
  })
})

describe('waking and sleeping', () => {
  test('the first listener wakes it, the last one lets it sleep after a second', () => {
    const { browser, posts } = visit()
    const stop = posts.subscribe(() => {})
    const stopToo = posts.subscribe(() => {})
    browser.wire.open()
    browser.wire.snapshot([post(1, 'a')])
    expect(subscribes(browser.wire.sent)).toHaveLength(1)

    stop()
    browser.pass(1_000)
    expect(posts.status).toBe('live')
    stopToo()
    browser.pass(999)
    expect(posts.status).toBe('live')
    browser.pass(1)

    expect(posts).toMatchObject({ status: 'idle', rows: [] })
    expect(browser.wire.last()).toEqual({
      stream: 'posts',
      params,
      ref: expect.any(String),
      payload: { action: 'unsubscribe' },
    })
  })

  test('a component that is put back within the second costs nothing', () => {
    const { browser, posts, stop } = visitLive([post(1, 'a')])

    stop()
    browser.pass(500)
    posts.subscribe(() => {})
    browser.pass(10_000)

    expect(posts.status).toBe('live')
    expect(browser.wire.sent).toHaveLength(1)
  })

  test('woken again, it reads anew; frames that were on the way are ignored', () => {
    const { browser, posts, stop } = visitLive([post(1, 'a')])
    stop()
    browser.pass(1_000)
    browser.wire.tell(change('update', post(1, 'late')))
    browser.wire.tell(part([post(1, 'late')], true))
    browser.wire.tell(reset('late'))

    posts.subscribe(() => {})

    expect(posts).toMatchObject({ status: 'loading', rows: [] })
    expect(browser.wire.last().payload).toEqual({ action: 'subscribe' })
    browser.wire.snapshot([post(1, 'b')])
    expect(bodies(posts)).toBe('b')
  })

  test('the status goes from loading to live, and a listener hears that there is nothing', () => {
    const { browser, posts } = visit()
    const seen: string[] = []

    posts.subscribe(rows => seen.push(`${posts.status} ${rows.length}`))
    browser.wire.open()
    browser.wire.snapshot([])

    expect(seen).toEqual(['loading 0', 'live 0'])
  })

  test('asleep when the connection comes, it asks for nothing', () => {
    const { browser, posts } = visit()
    const stop = posts.subscribe(() => {})
    stop()
    browser.pass(1_000)

    browser.wire.open()

    expect(browser.wire.sent).toEqual([])
  })
})

describe('catching up', () => {
  test('shows a snapshot in one step, at the ack', () => {
    const { browser, posts } = visit()
    const drawn: string[] = []
    posts.subscribe(() => drawn.push(bodies(posts)))
    browser.wire.open()

    browser.wire.tell(part([post(1, 'a')], true))
    browser.wire.tell(part([post(2, 'b')]))
    browser.wire.tell(change('update', post(1, 'A')))
    expect(drawn).toEqual([''])
    browser.wire.tell(done(browser.wire.last(), 'c1'))

    expect(drawn).toEqual(['', 'A b'])
  })

  test('after a cut asks for what was missed, and shows the old rows as stale until then', () => {
    const { browser, posts, drawn } = visitLive([post(1, 'a'), post(2, 'b')])
    browser.wire.tell(change('create', post(3, 'c'), { cursor: 'c2' }))
    browser.wire.drop()
    expect(posts.status).toBe('stale')
    browser.pass(1_000)
    browser.wire.open()
    expect(browser.wire.last().payload).toEqual({ action: 'subscribe', since: 'c2' })

    drawn.length = 0
    browser.wire.tell(change('delete', { pk: 1 }))
    browser.wire.tell(change('update', post(2, 'B')))
    expect(drawn).toEqual([])
    browser.wire.tell(done(browser.wire.last(), 'c3'))

    expect(drawn).toEqual(['B c'])
    expect(posts.status).toBe('live')
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()
    expect(browser.wire.last().payload.since).toBe('c3')
  })

  test('after a cut in a snapshot begins anew', () => {
    const { browser, posts } = visit()
    posts.subscribe(() => {})
    browser.wire.open()
    browser.wire.tell(part([post(1, 'old')], true))
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()

    expect(browser.wire.last().payload).toEqual({ action: 'subscribe' })
    browser.wire.snapshot([post(2, 'new')])
    expect(bodies(posts)).toBe('new')
  })

  test('takes an answer that comes meanwhile in the same step', async () => {
    const { browser, posts, drawn } = visitLive([post(1, 'a')])
    const updated = posts.update(1, { body: 'mine' })
    const created = posts.create({ body: 'new' })
    const refused = posts.delete(1)
    let answers = 0
    void Promise.allSettled([updated, created, refused]).then(list => (answers = list.length))
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()
    drawn.length = 0

    const [update, create] = browser.wire.sent
    if (!update || !create) throw new Error('the writes come first')
    browser.wire.tell(ack(update, 1))
    browser.wire.tell(ack(create, 2))
    browser.wire.tell(refusal(browser.wire.last('delete')))
    await settled()
    expect(bodies(posts)).toBe('new*') // the row is still taken away
    expect(answers).toBe(0)
    browser.wire.tell(change('update', post(1, 'mine')))
    browser.wire.tell(change('create', post(2, 'new')))
    browser.wire.tell(done(browser.wire.last('subscribe'), 'c2'))
    await settled()

    expect(bodies(posts)).toBe('mine new')
    expect(drawn.filter(text => text.includes('a'))).toEqual([])
    expect(answers).toBe(3)
    await expect(refused).rejects.toMatchObject({ code: 'invalid' })
  })

  test('knows its own row in a snapshot, which names no refs', () => {
    const { browser, posts } = visit()
    posts.subscribe(() => {})
    void posts.create({ body: 'mine' })
    const key = posts.rows[0]?.$key
    browser.wire.open()

    browser.wire.tell(ack(browser.wire.last('create'), 5))
    expect(posts.rows).toEqual([{ body: 'mine', $key: key, $pk: 5, $pending: true }])
    browser.wire.snapshot([post(5, 'mine')])

    expect(posts.rows).toEqual([{ body: 'mine', $key: key, $pk: 5, $pending: false }])
  })

  test('ignores the ack of a superseded subscribe, and the parts that came before the first', () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    browser.wire.tell(reset('one'))
    const old = browser.wire.last('subscribe')
    browser.wire.tell(part([post(2, 'old')], true))
    browser.wire.tell(reset('two'))
    const newer = browser.wire.last('subscribe')

    browser.wire.tell(part([post(3, 'old')]))
    browser.wire.tell(done(old, 'wrong'))
    expect(posts.status).toBe('stale')
    browser.wire.tell(part([post(4, 'new')], true))
    browser.wire.tell(done(newer, 'right'))

    expect(bodies(posts)).toBe('new')
    expect(posts.status).toBe('live')
  })

  test('that brings nothing new changes nothing but the status', () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    const before = posts.rows
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()

    browser.wire.snapshot([post(1, 'a')])

    expect(posts.rows).toBe(before)
  })
})

describe('a reset', () => {
  test('keeps the rows as stale and reads again, without a cursor', () => {
    const { browser, posts } = visitLive([post(1, 'a')])

    browser.wire.tell(reset('unclear'))

    expect(posts.status).toBe('stale')
    expect(bodies(posts)).toBe('a')
    expect(browser.wire.last().payload).toEqual({ action: 'subscribe' })
    browser.wire.tell(change('update', post(1, 'late')))
    expect(bodies(posts)).toBe('a')
    browser.wire.snapshot([post(2, 'b')])
    expect(bodies(posts)).toBe('b')
  })

  test('while loading begins the loading anew', () => {
    const { browser, posts } = visit()
    posts.subscribe(() => {})
    browser.wire.open()

    browser.wire.tell(reset('unclear'))

    expect(posts.status).toBe('loading')
    expect(subscribes(browser.wire.sent)).toHaveLength(2)
  })

  test('with reason forbidden empties the list, says why, and does not retry', () => {
    const { browser, posts } = visitLive([post(1, 'a')])

    browser.wire.tell(reset('forbidden'))

    expect(posts).toMatchObject({ status: 'idle', rows: [], error: { code: 'forbidden' } })
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()
    expect(browser.wire.sent).toEqual([])
  })
})

describe('a refused subscribe', () => {
  test.each(['forbidden', 'unknown_stream', 'bad_params'])(
    '(%s) empties the list and does not retry',
    code => {
      const { browser, posts } = visitLive([post(1, 'a')])
      browser.wire.drop()
      browser.pass(1_000)
      browser.wire.open()
      const drawn: string[] = []
      posts.subscribe(rows => drawn.push(`${rows.length} ${posts.error?.code}`))

      browser.wire.tell(refusal(browser.wire.last(), code))
      browser.pass(100_000)

      expect(drawn).toEqual(['1 undefined', `0 ${code}`])
      expect(posts.status).toBe('idle')
      expect(subscribes(browser.wires[1]?.sent ?? [])).toHaveLength(1)
    },
  )

  test('is asked for again by who looks anew', () => {
    const { browser, posts, stop } = visitLive()
    browser.wire.tell(reset('forbidden'))
    stop()
    browser.pass(1_000)

    posts.subscribe(() => {})

    expect(posts).toMatchObject({ status: 'loading', error: null })
    expect(subscribes(browser.wire.sent)).toHaveLength(2)
  })

  test('that was the server’s own fault is tried again, later and later, with what is known', () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    browser.random = 1
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()
    const { wire } = browser

    wire.tell(refusal(wire.last(), 'failed'))
    expect(posts).toMatchObject({ status: 'stale', error: { code: 'failed' } })
    expect(bodies(posts)).toBe('a')
    wire.tell(change('update', post(1, 'untrusted')))
    browser.pass(999)
    expect(subscribes(wire.sent)).toHaveLength(1)
    browser.pass(1)
    wire.tell(refusal(wire.last(), 'failed'))
    browser.pass(1_999)
    expect(subscribes(wire.sent)).toHaveLength(2)
    browser.pass(1)
    expect(wire.last().payload).toEqual({ action: 'subscribe', since: 'c1' })
    wire.tell(done(wire.last(), 'c2'))

    expect(posts).toMatchObject({ status: 'live', error: null })
    expect(bodies(posts)).toBe('a')
  })

  test('an answer to a write waits until the list is live again', async () => {
    const { browser, posts, drawn } = visitLive([post(1, 'a')])
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()
    browser.wire.tell(refusal(browser.wire.last(), 'failed'))
    void posts.update(1, { body: 'b' })

    browser.wire.tell(ack(browser.wire.last('update'), 1))
    await settled()
    browser.pass(1_000)
    browser.wire.tell(change('update', post(1, 'b')))
    browser.wire.tell(done(browser.wire.last('subscribe'), 'c2'))

    expect(drawn.slice(drawn.indexOf('b*'))).not.toContain('a')
    expect(bodies(posts)).toBe('b')
  })

  test('of one that was superseded is ignored', () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    browser.wire.tell(reset('one'))
    const old = browser.wire.last()
    browser.wire.tell(reset('two'))

    browser.wire.tell(refusal(old, 'forbidden'))

    expect(bodies(posts)).toBe('a')
  })
})

test('a write through a list that nobody looks at is settled by its answer', async () => {
  const { browser, posts } = visit()
  const promise = posts.create({ body: 'x' })
  browser.wire.open()

  browser.wire.tell(ack(browser.wire.last(), 1))

  expect(await promise).toEqual({ pk: 1 })
  expect(posts.rows).toEqual([])
})

test('an answer that was kept back is given when the list goes to sleep', async () => {
  const { browser, posts } = visit()
  const stop = posts.subscribe(() => {})
  const promise = posts.create({ body: 'x' })
  browser.wire.open()
  browser.wire.tell(ack(browser.wire.last('create'), 1))

  stop()
  browser.pass(1_000)

  expect(await promise).toEqual({ pk: 1 })
})

test('the cursor of a ping is taken by the lists that are live, and by no other', () => {
  const { browser, socket } = visitLive()
  const other = socket.collection('posts', { params: { liveblog: 4 } })
  other.subscribe(() => {})
  browser.pass(25_000)
  const { ref } = browser.wire.last('ping')

  browser.wire.tell({ stream: '', ref, cursor: 'c9', payload: { action: 'ack' } })
  browser.wire.drop()
  browser.pass(1_000)
  browser.wire.open()

  expect(browser.wire.sent.map(said => [said.params, said.payload.since])).toEqual([
    [params, 'c9'],
    [{ liveblog: 4 }, undefined],
  ])
})

test('each list has a cursor of its own', () => {
  const { browser, socket } = visitLive()
  const other = socket.collection('posts', { params: { liveblog: 4 } })
  other.subscribe(() => {})
  browser.wire.tell({ ...done(browser.wire.last(), 'other'), params: { liveblog: 4 } })
  browser.wire.tell(change('create', post(1, 'a'), { cursor: 'mine' }))

  browser.wire.drop()
  browser.pass(1_000)
  browser.wire.open()

  expect(browser.wire.sent.map(said => said.payload.since)).toEqual(['mine', 'other'])
})

test('each move is logged', () => {
  const { browser } = visitLive()
  browser.wire.drop()

  expect(browser.log.filter(line => line.startsWith('["posts"'))).toEqual([
    '["posts",[["liveblog",3]]]: idle → loading (woken)',
    '["posts",[["liveblog",3]]]: loading → live (caught up)',
    '["posts",[["liveblog",3]]]: live → stale (lost)',
  ])
})
