import { describe, expect, test } from 'vitest'
import type { Said } from './browser.ts'
import { ack, bodies, change, post, refusal, visit, visitLive } from './page.ts'

const writes = (sent: Said[]) => sent.filter(({ payload }) => !['subscribe', 'ping'].includes(payload.action))

describe('a dragged slider', () => {
  test('has one write in flight, and the last value waits', () => {
    const { browser, posts } = visitLive([post(1, 'a')])

    for (const body of ['b', 'c', 'd']) void posts.update(1, { body })
    void posts.update(1, { created: 'now' })

    expect(bodies(posts)).toBe('d*')
    expect(writes(browser.wire.sent).map(said => said.payload.data)).toEqual([{ body: 'b' }])
    browser.wire.tell(ack(browser.wire.last(), 1))
    expect(writes(browser.wire.sent).map(said => said.payload.data)).toEqual([
      { body: 'b' },
      { body: 'd', created: 'now' },
    ])
  })

  test('sends the next one when a change has settled the first, without waiting for the ack', () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    void posts.update(1, { body: 'b' })
    void posts.update(1, { body: 'c' })
    const first = browser.wire.last()

    browser.wire.tell(change('update', post(1, 'b'), { refs: [first.ref] }))
    browser.wire.tell(ack(first, 1))

    expect(writes(browser.wire.sent)).toHaveLength(2)
    expect(bodies(posts)).toBe('c*')
  })

  test('does not hold up other rows', () => {
    const { browser, posts } = visitLive([post(1, 'a'), post(2, 'b')])

    void posts.update(1, { body: 'x' })
    void posts.update(1, { body: 'y' })
    void posts.update(2, { body: 'z' })

    expect(writes(browser.wire.sent).map(said => said.payload.pk)).toEqual([1, 2])
  })

  test('goes on after a refusal', async () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    const first = posts.update(1, { body: 'b' })
    void posts.update(1, { body: 'c' })

    browser.wire.tell(refusal(browser.wire.last()))

    await expect(first).rejects.toMatchObject({ code: 'invalid' })
    expect(browser.wire.last().payload.data).toEqual({ body: 'c' })
    expect(bodies(posts)).toBe('c*')
  })

  test('keeps apart what has expect, what deletes, and what another list shows', () => {
    const { browser, socket, posts } = visitLive([post(1, 'a')])
    const other = socket.collection<{ body: string }>('posts')

    void posts.update(1, { body: 'b' })
    void posts.update(1, { body: 'c' })
    void posts.update(1, { body: 'd' }, { expect: { body: 'c' } })
    void posts.update(1, { body: 'e' })
    void other.update(1, { body: 'f' })
    void posts.delete(1)
    for (let count = 0; count < 6; count++) browser.wire.tell(ack(browser.wire.last(), 1))

    expect(writes(browser.wire.sent).map(({ payload }) => payload)).toEqual([
      { action: 'update', pk: 1, data: { body: 'b' } },
      { action: 'update', pk: 1, data: { body: 'c' } },
      { action: 'update', pk: 1, data: { body: 'd' }, expect: { body: 'c' } },
      { action: 'update', pk: 1, data: { body: 'e' } },
      { action: 'update', pk: 1, data: { body: 'f' } },
      { action: 'delete', pk: 1 },
    ])
  })
})

describe('offline', () => {
  test('writes wait, merged, and leave in order before the subscribes', () => {
    const { browser, posts } = visitLive([post(1, 'a'), post(2, 'b')])
    browser.wire.drop()

    void posts.update(1, { body: 'x' })
    void posts.create({ body: 'new' })
    void posts.update(1, { body: 'y' })
    void posts.delete(2)
    browser.pass(1_000)
    browser.wire.open()

    expect(browser.wire.sent.map(({ payload }) => [payload.action, payload.data])).toEqual([
      ['update', { body: 'y' }],
      ['create', { body: 'new' }],
      ['delete', undefined],
      ['subscribe', undefined],
    ])
  })

  test('what has left once keeps its ref and its data, and is sent again', () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    void posts.update(1, { body: 'sent' })
    void posts.create({ body: 'sent too' })
    const before = writes(browser.wire.sent)
    browser.wire.drop()
    void posts.update(1, { body: 'later' })
    browser.pass(1_000)
    browser.wire.open()

    expect(writes(browser.wire.sent)).toEqual(before)
    const [update] = browser.wire.sent
    if (update) browser.wire.tell(ack(update, 1))
    expect(browser.wire.last().payload.data).toEqual({ body: 'later' })
  })

  test('a create that is sent again is what was sent, though its pk is known by now', () => {
    const { browser, socket, posts } = visitLive()
    socket.collection('posts', { params: { liveblog: 4 } }).subscribe(() => {})
    void posts.create({ body: 'a' })
    const create = browser.wire.last()

    browser.wire.tell({ ...change('create', post(9, 'a'), { refs: [create.ref] }), params: { liveblog: 4 } })
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()

    expect(browser.wire.last('create')).toEqual(create)
  })

  test('what was to be done to a create that is refused while the list catches up never leaves', async () => {
    const { browser, posts } = visit()
    posts.subscribe(() => {})
    const created = posts.create({ body: '' })
    const [row] = posts.rows
    const updated = row && posts.update(row, { body: 'b' })
    browser.wire.open()
    const { length } = browser.wire.sent

    browser.wire.tell(refusal(browser.wire.last('create')))
    const late = row && posts.delete(row)
    expect(browser.wire.sent).toHaveLength(length)
    browser.wire.snapshot([])

    expect(await Promise.allSettled([created, updated, late])).toMatchObject([
      { reason: { code: 'invalid' } },
      { reason: { code: 'not_found' } },
      { reason: { code: 'not_found' } },
    ])
    expect(posts.rows).toEqual([])
  })

  test('what was answered is not sent again, even if the list has not caught up', async () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    const promise = posts.update(1, { body: 'b' })
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()
    browser.wire.tell(ack(browser.wire.last('update'), 1))

    browser.wire.drop()
    browser.pass(2_000)
    browser.wire.open()

    expect(writes(browser.wire.sent)).toEqual([])
    expect(bodies(posts)).toBe('b*')
    browser.wire.snapshot([post(1, 'b')])
    expect(await promise).toEqual({ pk: 1 })
  })

  test('the first write connects by itself', () => {
    const { browser, posts } = visit()

    void posts.create({ body: 'x' })
    browser.wire.open()

    expect(browser.wire.sent.map(({ payload }) => payload.action)).toEqual(['create'])
  })

  test('a thousand writes wait, one more is rejected and not shown', async () => {
    const { posts } = visit()
    for (let count = 0; count < 1_000; count++) void posts.create({ body: 'x' })

    const rejected = posts.create({ body: 'one more' })

    await expect(rejected).rejects.toMatchObject({ name: 'WriteError', code: 'too_many' })
    expect(posts.rows).toHaveLength(1_000)
  })
})

test('32 writes are on the way at most, and each answer lets the next one go', () => {
  const { browser, posts } = visitLive()

  for (let count = 0; count < 40; count++) void posts.create({ body: 'x' })

  const [first] = writes(browser.wire.sent)
  expect(writes(browser.wire.sent)).toHaveLength(32)
  if (first) browser.wire.tell(ack(first, 1))
  expect(writes(browser.wire.sent)).toHaveLength(33)
  browser.wire.drop()
  browser.pass(1_000)
  browser.wire.open()
  expect(writes(browser.wire.sent)).toHaveLength(32)
})

test('a write that no server would take is rejected at once, and merging never makes one', async () => {
  const { browser, posts } = visitLive([post(1, 'a')])
  const long = 'x'.repeat(150_000)

  await expect(posts.create({ body: long + long })).rejects.toMatchObject({ code: 'too_large' })
  void posts.update(1, { body: 'first' })
  void posts.update(1, { body: long })
  void posts.update(1, { created: long })
  browser.wire.tell(ack(browser.wire.last(), 1))

  expect(browser.wire.last().payload.data).toEqual({ body: long })
})

test('the answer to what we do not know is ignored', () => {
  const { browser, posts, drawn } = visitLive([post(1, 'a')])

  browser.wire.tell({ stream: 'posts', ref: 'nobody’s', payload: { action: 'ack', pk: 1 } })
  browser.wire.tell({ stream: 'posts', ref: 'nobody’s', payload: { action: 'error', code: 'failed' } })
  browser.wire.tell(change('update', post(1, 'a'), { refs: ['nobody’s'] }))

  expect(drawn).toEqual([])
  expect(posts.status).toBe('live')
})

test('an edit made in one list never leaves before an older one made in another', () => {
  const { browser, socket, posts } = visitLive()
  const other = socket.collection<{ body: string }>('posts', { params: { liveblog: 4 } })
  other.subscribe(() => {})
  browser.wire.tell({
    stream: 'posts',
    params: { liveblog: 4 },
    ref: browser.wire.last().ref,
    payload: { action: 'ack' },
  })
  void posts.create({ body: 'a' })
  const create = browser.wire.last()
  const [row] = posts.rows
  if (row) void posts.update(row, { body: 'older' })

  // The other list shows the row before ours does.
  browser.wire.tell({ ...change('create', post(9, 'a'), { refs: [create.ref] }), params: { liveblog: 4 } })
  void other.update(9, { body: 'newer' })
  browser.wire.tell(ack(create, 9))
  browser.wire.tell(ack(browser.wire.last(), 9))

  expect(writes(browser.wire.sent).map(({ payload }) => payload.data)).toEqual([
    { body: 'a' },
    { body: 'older' },
    { body: 'newer' },
  ])
})
