import { describe, expect, test } from 'vitest'
import { connect, WriteError } from '../src/index.ts'
import { Browser, settled } from './browser.ts'
import { ack, bodies, change, post, refusal, visit, visitLive } from './page.ts'

describe('rows', () => {
  test('are what the server tells, and keep up with it', () => {
    const { browser, posts, drawn } = visitLive([post(1, 'a'), post(2, 'b')])

    browser.wire.tell(change('create', post(3, 'c')))
    browser.wire.tell(change('update', post(1, 'A')))
    browser.wire.tell(change('delete', { pk: 2 }))

    expect(drawn).toEqual(['a b c', 'A b c', 'A c'])
    expect(posts.rows[0]).toEqual({ body: 'A', $key: '1', $pk: 1, $pending: false })
  })

  test('take a create of a row that is shown, an update of one that is not, and a delete of nothing', () => {
    const { browser, drawn } = visitLive([post(1, 'a')])

    browser.wire.tell(change('create', post(1, 'A')))
    browser.wire.tell(change('update', post(2, 'b')))
    browser.wire.tell(change('delete', { pk: 9 }))

    expect(drawn).toEqual(['A', 'A b'])
  })

  test('of one frame are drawn in one step', () => {
    const { browser, drawn } = visitLive([post(1, 'a'), post(2, 'b')])

    browser.wire.tell({
      ...change('', { pk: 0 }),
      payload: {
        action: 'changes',
        changes: [
          { action: 'delete', pk: 1, data: {} },
          { action: 'update', ...post(2, 'B') },
          { action: 'create', ...post(3, 'c') },
        ],
      },
    })

    expect(drawn).toEqual(['B c'])
  })

  test('of a batch that comes in parts are drawn with the last one, which has the cursor', () => {
    const { browser, drawn } = visitLive([post(1, 'a')])
    const part = (...changes: object[]) => ({
      ...change('', { pk: 0 }),
      cursor: undefined,
      payload: { action: 'changes', changes },
    })

    browser.wire.tell(part({ action: 'update', ...post(1, 'A') }))
    browser.wire.tell(part({ action: 'create', ...post(2, 'b') }))
    browser.wire.tell(change('create', post(3, 'c'), { cursor: 'c2' }))

    expect(drawn).toEqual(['A b c'])
  })

  test('of a batch that was cut off are not drawn, and asked for again', () => {
    const { browser, drawn } = visitLive([post(1, 'a')])

    browser.wire.tell({ ...change('update', post(1, 'A')), cursor: undefined })
    browser.wire.drop()
    browser.pass(1_000)
    browser.wire.open()

    expect(drawn).not.toContain('A')
    expect(browser.wire.last('subscribe').payload.since).toBe('c1')
  })

  test('stay the same objects until they change, and so does the list', () => {
    const { browser, posts, drawn } = visitLive([post(1, 'a', { tags: [1, 2] }), post(2, 'b')])
    const before = posts.rows

    browser.wire.tell(change('update', post(1, 'a', { tags: [1, 2] })))
    expect(posts.rows).toBe(before)
    expect(drawn).toEqual([])
    browser.wire.tell(change('update', post(2, 'B')))

    expect(posts.rows[0]).toBe(before[0])
    expect(posts.rows[1]).not.toBe(before[1])
  })

  test('are frozen', () => {
    const { posts } = visitLive([post(1, 'a')])

    void posts.create({ body: 'b' })

    expect(Object.isFrozen(posts.rows)).toBe(true)
    expect(posts.rows.every(row => Object.isFrozen(row))).toBe(true)
  })

  test('are known by the string form of their pk', () => {
    const { browser, posts } = visitLive([post('9007199254740993', 'big'), post(7, 'small')])

    browser.wire.tell(change('update', post('9007199254740993', 'BIG')))
    browser.wire.tell(change('update', post('7', 'SMALL')))

    expect(posts.rows.map(row => [row.$key, row.body])).toEqual([
      ['7', 'SMALL'],
      ['9007199254740993', 'BIG'],
    ])
  })
})

describe('order', () => {
  const rows = [
    post(1, 'b', { created: '2026-01-02' }),
    post(2, 'a', { created: '2026-01-03' }),
    post(3, 'a', { created: '2026-01-01' }),
  ]
  const pks = (page: ReturnType<typeof visitLive>) => page.posts.rows.map(row => row.$pk ?? 'new').join(' ')

  test.each([
    ['created', '3 1 2'],
    ['-created', '2 1 3'],
    ['body', '2 3 1'],
    ['-body', '1 3 2'],
    ['$pk', '1 2 3'],
    ['-$pk', '3 2 1'],
  ] as const)('by %s', (order, expected) => {
    expect(pks(visitLive(rows, order))).toBe(expected)
  })

  test('by several fields, by a comparator, by none', () => {
    expect(pks(visitLive(rows, ['body', '-created']))).toBe('2 3 1')
    expect(pks(visitLive(rows, (a, b) => Number(b.$pk) - Number(a.$pk)))).toBe('3 2 1')
    expect(pks(visitLive(rows, []))).toBe('1 2 3')
  })

  test('counts null as the largest', () => {
    const nullable = [
      post(1, 'a'),
      { pk: 2, data: { body: null } as unknown as { body: string } },
      post(3, 'b'),
    ]

    expect(pks(visitLive(nullable, 'body'))).toBe('1 3 2')
    expect(pks(visitLive(nullable, '-body'))).toBe('2 3 1')
  })

  test('puts new rows where the server’s values will: the newest first under -created', () => {
    const page = visitLive(rows, '-created')

    void page.posts.create({ body: 'x' })
    void page.posts.create({ body: 'y' })

    expect(bodies(page.posts)).toBe('y* x* a b a')
    const first = page.browser.wire.sent.find(said => said.payload.action === 'create')
    page.browser.wire.tell(
      change('create', post(4, 'x', { created: '2026-01-04' }), { refs: [first?.ref ?? ''] }),
    )
    expect(bodies(page.posts)).toBe('y* x a b a')
  })

  test('puts new rows last under created, and where their own values belong', () => {
    const page = visitLive(rows, 'created')

    void page.posts.create({ body: 'x' })
    void page.posts.create({ body: 'y' })
    void page.posts.create({ body: 'z', created: '2026-01-01T12:00' })

    expect(bodies(page.posts)).toBe('a z* b a x* y*')
  })

  test('belongs to the one who asked: two orders share one subscription', () => {
    const { browser, socket } = visitLive(rows)
    const other = socket.collection<{ body: string }>('posts', { params: { liveblog: 3 }, order: '-$pk' })
    const drawn: unknown[] = []

    other.subscribe(list => drawn.push(list.map(row => row.$pk)))

    expect(drawn).toEqual([[3, 2, 1]])
    expect(browser.wire.sent.filter(said => said.payload.action === 'subscribe')).toHaveLength(1)
  })
})

describe('create', () => {
  test('is on the screen at once, and resolves with the pk', async () => {
    const { browser, posts } = visitLive()

    const promise = posts.create({ body: 'Goal!' })

    expect(posts.rows).toEqual([{ body: 'Goal!', $key: expect.any(String), $pending: true }])
    const said = browser.wire.last()
    expect(said).toEqual({
      stream: 'posts',
      ref: said.ref,
      payload: { action: 'create', data: { body: 'Goal!' } },
    })
    browser.wire.tell(change('create', post(9, 'Goal!'), { refs: [said.ref] }))
    browser.wire.tell(ack(said, 9))
    expect(await promise).toEqual({ pk: 9 })
  })

  test('swaps the optimistic row for the real one in one step, under the same key', () => {
    const { browser, posts, drawn } = visitLive()
    void posts.create({ body: 'x' })
    const key = posts.rows[0]?.$key

    browser.wire.tell(change('create', post(9, 'x'), { refs: [browser.wire.last().ref] }))
    browser.wire.tell(change('update', post(9, 'y')))

    expect(drawn).toEqual(['x*', 'x', 'y'])
    expect(posts.rows[0]).toMatchObject({ $key: key, $pk: 9 })
  })

  test('of a row that belongs to another list leaves with its ack', async () => {
    const { browser, posts, drawn } = visitLive()
    const promise = posts.create({ body: 'elsewhere' })

    browser.wire.tell(ack(browser.wire.last(), 9))

    expect(await promise).toEqual({ pk: 9 })
    expect(drawn).toEqual(['elsewhere*', ''])
  })

  test('that is refused rolls back and rejects', async () => {
    const { browser, posts, drawn } = visitLive([post(1, 'a')])
    const promise = posts.create({ body: '' })

    browser.wire.tell(refusal(browser.wire.last(), 'invalid', { fields: { body: ['Say something.'] } }))

    const error = await promise.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(WriteError)
    expect(error).toMatchObject({
      code: 'invalid',
      message: 'No: invalid.',
      fields: { body: ['Say something.'] },
    })
    expect(drawn).toEqual(['a *', 'a'])
  })

  test('that the server acknowledges without a pk rejects, rather than wait for ever', async () => {
    const { browser, posts } = visitLive()
    const promise = posts.create({ body: 'x' })

    browser.wire.tell(ack(browser.wire.last()))

    await expect(promise).rejects.toMatchObject({ code: 'failed' })
  })

  test('takes a copy, as it will travel', () => {
    const { browser, posts } = visitLive()
    const draft = { body: 'x', created: new Date(0) as unknown as string }

    void posts.create(draft)
    draft.body = 'y'

    expect(posts.rows[0]).toMatchObject({ body: 'x', created: '1970-01-01T00:00:00.000Z' })
    expect(browser.wire.last().payload.data).toEqual({ body: 'x', created: '1970-01-01T00:00:00.000Z' })
  })

  test('of what JSON cannot say rejects', async () => {
    const { posts } = visitLive()

    await expect(posts.create({ body: 1n as unknown as string })).rejects.toBeInstanceOf(TypeError)
    expect(bodies(posts)).toBe('')
  })
})

describe('update', () => {
  test('shows at once, by row or by pk, and its answer is the last word', async () => {
    const { browser, posts, drawn } = visitLive([post(1, 'a', { created: 'c' })])
    const [row] = posts.rows
    if (!row) throw new Error('no row')

    const promise = posts.update(row, { body: 'b' })

    expect(posts.rows[0]).toEqual({ body: 'b', created: 'c', $key: '1', $pk: 1, $pending: true })
    expect(browser.wire.last().payload).toEqual({ action: 'update', pk: 1, data: { body: 'b' } })
    browser.wire.tell(change('update', post(1, 'b', { created: 'c' }), { refs: [browser.wire.last().ref] }))
    expect(await promise).toEqual({ pk: 1 })
    void posts.update(1, { body: 'c' })
    expect(drawn).toEqual(['b*', 'b', 'c*'])
  })

  test('is laid over what others change meanwhile', () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    void posts.update(1, { body: 'mine' })

    browser.wire.tell(change('update', post(1, 'theirs', { created: 'c' })))

    expect(posts.rows[0]).toMatchObject({ body: 'mine', created: 'c', $pending: true })
  })

  test('to nothing that is shown shows nothing, and is sent', () => {
    const { browser, posts, drawn } = visitLive()

    void posts.update('77', { body: 'x' })

    expect(drawn).toEqual([])
    expect(browser.wire.last().payload).toMatchObject({ pk: '77' })
  })

  test('with expect says so, and a conflict brings the row as it is', async () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    const promise = posts.update(1, { body: 'b' }, { expect: { body: 'a' } })
    const said = browser.wire.last()
    expect(said.payload.expect).toEqual({ body: 'a' })

    browser.wire.tell(change('update', post(1, 'z')))
    browser.wire.tell(refusal(said, 'conflict', { data: { body: 'z' } }))

    await expect(promise).rejects.toMatchObject({ code: 'conflict', data: { body: 'z' } })
    expect(bodies(posts)).toBe('z')
  })
})

describe('delete', () => {
  test('takes the row away at once, and brings it back if refused', async () => {
    const { browser, posts, drawn } = visitLive([post(1, 'a'), post(2, 'b')])

    const promise = posts.delete(1)

    expect(browser.wire.last().payload).toEqual({ action: 'delete', pk: 1 })
    browser.wire.tell(refusal(browser.wire.last(), 'forbidden'))
    await expect(promise).rejects.toMatchObject({ code: 'forbidden' })
    expect(drawn).toEqual(['b', 'a b'])
  })

  test('resolves when it is done', async () => {
    const { browser, posts } = visitLive([post(1, 'a')])
    const promise = posts.delete(1)
    const said = browser.wire.last()

    browser.wire.tell(change('delete', { pk: 1 }, { refs: [said.ref] }))
    browser.wire.tell(ack(said, 1))

    expect(await promise).toEqual({ pk: 1 })
  })
})

describe('a row that is not on the server yet', () => {
  test('can be changed and deleted: that waits for its pk', async () => {
    const { browser, posts } = visitLive()
    const created = posts.create({ body: 'a' })
    const [row] = posts.rows
    if (!row) throw new Error('no row')
    const create = browser.wire.last()

    const updated = posts.update(row, { body: 'b' })
    const deleted = posts.delete(row)

    expect(bodies(posts)).toBe('')
    expect(browser.wire.last()).toBe(create)
    browser.wire.tell(change('create', post(9, 'a'), { refs: [create.ref] }))
    expect(browser.wire.last().payload).toEqual({ action: 'update', pk: 9, data: { body: 'b' } })
    browser.wire.tell(ack(browser.wire.last(), 9))
    expect(browser.wire.last().payload).toEqual({ action: 'delete', pk: 9 })
    browser.wire.tell(ack(browser.wire.last(), 9))
    expect(await Promise.all([created, updated, deleted])).toEqual([{ pk: 9 }, { pk: 9 }, { pk: 9 }])
  })

  test('takes with it what was to be done to it, if it is refused', async () => {
    const { browser, posts, drawn } = visitLive()
    const created = posts.create({ body: 'a' })
    const [row] = posts.rows
    if (!row) throw new Error('no row')
    const updated = posts.update(row, { body: 'b' })
    const deleted = posts.delete(row)

    browser.wire.tell(refusal(browser.wire.last()))

    await expect(created).rejects.toMatchObject({ code: 'invalid' })
    await expect(updated).rejects.toMatchObject({ code: 'not_found' })
    await expect(deleted).rejects.toMatchObject({ code: 'not_found' })
    await expect(posts.update(row, { body: 'c' })).rejects.toMatchObject({ code: 'not_found' })
    expect(drawn).toEqual(['a*', 'b*', ''])
  })

  test('is found by who holds it from before it was', () => {
    const { browser, posts } = visitLive()
    void posts.create({ body: 'a' })
    const [row] = posts.rows
    if (!row) throw new Error('no row')
    browser.wire.tell(change('create', post(9, 'a'), { refs: [browser.wire.last().ref] }))

    void posts.update(row, { body: 'b' })

    expect(browser.wire.last().payload).toMatchObject({ action: 'update', pk: 9 })
  })
})

test('an own row that comes back in the second part of a snapshot keeps its key', () => {
  const { browser, posts } = visitLive()
  void posts.create({ body: 'mine' })
  const key = posts.rows[0]?.$key
  browser.wire.tell(change('create', post(9, 'mine'), { refs: [browser.wire.last().ref] }))

  browser.wire.tell({ ...change('', { pk: 0 }), payload: { action: 'reset', reason: 'unclear' } })
  const { stream, ref } = browser.wire.last('subscribe')
  const params = { liveblog: 3 }
  browser.wire.tell({ stream, params, payload: { action: 'snapshot', first: true, rows: [post(1, 'a')] } })
  browser.wire.tell({ stream, params, payload: { action: 'snapshot', rows: [post(9, 'mine')] } })
  browser.wire.tell({ stream, params, ref, cursor: 'c', payload: { action: 'ack' } })

  expect(posts.rows.map(row => row.$key)).toEqual(['1', key])
})

test('an own row that goes and comes within one catch-up keeps its key: it never left the screen', () => {
  const { browser, posts } = visitLive()
  void posts.create({ body: 'mine' })
  const key = posts.rows[0]?.$key
  browser.wire.tell(change('create', post(9, 'mine'), { refs: [browser.wire.last().ref] }))
  browser.wire.drop()
  browser.pass(1_000)
  browser.wire.open()

  browser.wire.tell(change('delete', { pk: 9 }))
  browser.wire.tell(change('create', post(9, 'back')))
  browser.wire.tell({ ...ack(browser.wire.last('subscribe')), cursor: 'c2' })

  expect(posts.rows).toEqual([{ body: 'back', $key: key, $pk: 9, $pending: false }])
})

test('a rejection that nobody handles is the caller’s alone: merged writes reject each caller once', async () => {
  const { browser, posts } = visitLive([post(1, 'a')])
  const first = posts.update(1, { body: 'b' })
  const second = posts.update(1, { body: 'c' })
  const third = posts.update(1, { body: 'd' })

  browser.wire.tell(refusal(browser.wire.last()))
  browser.wire.tell(refusal(browser.wire.last()))

  const outcomes = await Promise.allSettled([first, second, third])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  await settled() // an unhandled rejection would fail the run here
})

test('a listener that writes while it is told does not make the list go back', () => {
  const { browser, posts } = visitLive([post(1, 'a')])
  let once = true
  posts.subscribe(() => {
    if (!once) return
    once = false
    void posts.update(1, { body: 'from within' })
  })
  const seen: string[] = []
  posts.subscribe(() => seen.push(bodies(posts)))

  browser.wire.tell(change('create', post(2, 'b')))

  expect(seen.at(-1)).toBe('from within* b')
})

test('without params the stream alone names the list', () => {
  const browser = new Browser()
  const socket = connect('wss://example.com/', browser.environment)

  socket.collection('intval').subscribe(() => {})
  browser.wire.open()

  expect(browser.wire.last()).toEqual({
    stream: 'intval',
    ref: expect.any(String),
    payload: { action: 'subscribe' },
  })
})

test('a list that nobody looks at is empty and idle', () => {
  const { posts } = visit()

  expect(posts).toMatchObject({ rows: [], status: 'idle', error: null })
})
