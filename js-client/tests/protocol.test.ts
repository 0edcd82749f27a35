import { describe, expect, test } from 'vitest'
import page from '../../docs/protocol.md?raw'
import { decode, encode, newRef, retryAfterMs, subscriptionName, WriteError } from '../src/protocol.ts'

const told = (frame: object) => decode(JSON.stringify(frame))

describe('the frames of the protocol page', () => {
  test('a change as in Channels 1.x', () => {
    const frame = decode(
      '{"stream": "intval", "payload": {"action": "create", "pk": 1, "data": {"name": "a", "value": 1}, "model": "app.integervalue"}}',
    )

    expect(frame).toEqual({
      action: 'changes',
      subscription: subscriptionName('intval'),
      changes: [{ action: 'create', pk: 1, data: { name: 'a', value: 1 }, refs: [] }],
      cursor: undefined,
    })
  })

  test.each(['create', 'update', 'delete'])('a single %s with its refs and its cursor', action => {
    const frame = told({
      stream: 'posts',
      params: { liveblog: 3 },
      refs: ['r2'],
      cursor: 'k3:207',
      payload: { action, pk: '9007199254740993', data: {}, model: 'app.post' },
    })

    expect(frame).toEqual({
      action: 'changes',
      subscription: subscriptionName('posts', { liveblog: 3 }),
      changes: [{ action, pk: '9007199254740993', data: {}, refs: ['r2'] }],
      cursor: 'k3:207',
    })
  })

  test('several changes of one batch', () => {
    const frame = decode(
      '{"stream": "posts", "params": {"liveblog": 3}, "cursor": "k3:207", "payload": {"action": "changes", "changes": [{"action": "update", "pk": 1, "data": {"body": "x"}, "refs": ["r2"]}, {"action": "create", "pk": 2, "data": {}}]}}',
    )

    expect(frame).toMatchObject({
      cursor: 'k3:207',
      changes: [
        { action: 'update', pk: 1, refs: ['r2'] },
        { action: 'create', pk: 2, refs: [] },
      ],
    })
  })

  test('a snapshot in parts, and the ack of its subscribe', () => {
    const first = told({
      stream: 'posts',
      payload: { action: 'snapshot', first: true, rows: [{ pk: 1, data: { a: 1 } }] },
    })
    const second = told({ stream: 'posts', payload: { action: 'snapshot', rows: [] } })
    const ack = told({ stream: 'posts', ref: 's1', cursor: 'k3:184', payload: { action: 'ack' } })

    expect(first).toEqual({
      action: 'snapshot',
      subscription: subscriptionName('posts'),
      first: true,
      rows: [{ pk: 1, data: { a: 1 } }],
    })
    expect(second).toMatchObject({ first: false, rows: [] })
    expect(ack).toEqual({ action: 'ack', stream: 'posts', ref: 's1', pk: undefined, cursor: 'k3:184' })
  })

  test('the answers to a write', () => {
    const ack = decode('{"stream": "intval", "ref": "r2", "payload": {"action": "ack", "pk": 1}}')
    const error = decode(
      '{"stream": "intval", "ref": "r2", "payload": {"action": "error", "code": "invalid", "message": "…", "fields": {"value": ["Enter a whole number."]}}}',
    )

    expect(ack).toMatchObject({ action: 'ack', ref: 'r2', pk: 1 })
    expect(error).toMatchObject({
      action: 'error',
      ref: 'r2',
      error: { code: 'invalid', message: '…', fields: { value: ['Enter a whole number.'] }, data: undefined },
    })
  })

  test('a conflict brings the row as it is', () => {
    const frame = told({
      stream: 'a',
      ref: 'r',
      payload: { action: 'error', code: 'conflict', message: 'No.', data: { x: 1 } },
    })

    expect(frame).toMatchObject({ error: { code: 'conflict', data: { x: 1 } } })
  })

  test('a reset and a ping', () => {
    expect(told({ stream: 'a', payload: { action: 'reset', reason: 'forbidden' } })).toMatchObject({
      action: 'reset',
      reason: 'forbidden',
    })
    expect(told({ stream: 'a', payload: { action: 'reset' } })).toMatchObject({ reason: '' })
    expect(decode('{"stream": "", "ref": "p1", "payload": {"action": "ping"}}')).toEqual({
      action: 'ping',
      ref: 'p1',
    })
  })

  test('what the client says', () => {
    const text = encode({
      stream: 'posts',
      params: { liveblog: 3 },
      ref: 's2',
      payload: { action: 'subscribe', since: 'k3:184' },
    })

    expect(text).toBe(
      '{"stream":"posts","params":{"liveblog":3},"ref":"s2","payload":{"action":"subscribe","since":"k3:184"}}',
    )
  })
})

const said = page.split('\n').filter(line => line.startsWith('← {'))

test('docs/protocol.md has frames of the server', () => {
  expect(said.length).toBeGreaterThan(10)
})

test.each(said)('this client reads %s', line => {
  // `"…"` stands for any value.
  const text = line.slice(2).replace('"rows": ["…"]', '"rows": [{"pk": 1, "data": {}}]')
  const { ref, payload } = JSON.parse(text)

  // Only what answers none of our frames may be passed over.
  if (payload.action === 'error' && !ref) expect(decode(text)).toBeUndefined()
  else expect(decode(text)).toBeDefined()
})

test.each([
  'not JSON',
  '[]',
  '"text"',
  'null',
  '{}',
  '{"stream": "a"}',
  '{"stream": 1, "payload": {"action": "reset"}}',
  '{"stream": "a", "payload": []}',
  '{"stream": "a", "payload": {"action": "presence", "joined": ["k1"]}}',
  '{"stream": "a", "payload": {"action": "applause"}}',
  '{"stream": "a", "payload": {}}',
  '{"stream": "a", "params": {"x": {}}, "payload": {"action": "reset"}}',
  '{"stream": "a", "params": [], "payload": {"action": "reset"}}',
  '{"stream": "a", "payload": {"action": "create", "data": {}}}',
  '{"stream": "a", "payload": {"action": "create", "pk": 1}}',
  '{"stream": "a", "payload": {"action": "changes"}}',
  '{"stream": "a", "payload": {"action": "changes", "changes": [{"action": "update", "pk": 1, "data": {}}, {"action": "leap", "pk": 1, "data": {}}]}}',
  '{"stream": "a", "payload": {"action": "changes", "changes": [null]}}',
  '{"stream": "a", "payload": {"action": "snapshot", "first": true, "rows": [{"pk": 1}]}}',
  '{"stream": "a", "payload": {"action": "ack"}}',
  '{"stream": "a", "payload": {"action": "error", "code": "bad_frame"}}',
  '{"stream": "", "payload": {"action": "ping"}}',
])('%s is nothing that this client knows', text => {
  expect(decode(text)).toBeUndefined()
})

test('a binary frame is nothing that this client knows', () => {
  expect(decode(new ArrayBuffer(3))).toBeUndefined()
})

test('an error with a code that is not on the list has failed, and says so', () => {
  const frame = told({
    stream: 'a',
    ref: 'r',
    payload: { action: 'error', code: 'odd', fields: { x: 'No.' } },
  })

  expect(frame).toMatchObject({
    error: { code: 'failed', message: 'The server refused: failed.', fields: { x: ['No.'] } },
  })
})

test('a subscription is named by its params, whatever their order', () => {
  expect(subscriptionName('a', { x: 1, y: 'z' })).toBe(subscriptionName('a', { y: 'z', x: 1 }))
  expect(subscriptionName('a', {})).toBe(subscriptionName('a'))
  expect(subscriptionName('a', { x: 1 })).not.toBe(subscriptionName('a', { x: '1' }))
  expect(subscriptionName('a', { x: 1 })).not.toBe(subscriptionName('b', { x: 1 }))
})

test('a close reason may ask to stay away, and is believed up to an hour', () => {
  expect(retryAfterMs('{"retry_after_ms": 5000}')).toBe(5_000)
  expect(retryAfterMs('{"retry_after_ms": 1e12}')).toBe(3_600_000)
  expect(retryAfterMs('{"retry_after_ms": -1}')).toBe(0)
  expect(retryAfterMs('{"retry_after_ms": "1"}')).toBe(0)
  expect(retryAfterMs('going away')).toBe(0)
  expect(retryAfterMs('')).toBe(0)
})

test('a ref is new each time, and short enough', () => {
  const refs = Array.from({ length: 1_000 }, newRef)

  expect(new Set(refs).size).toBe(1_000)
  expect(refs.every(ref => /^[0-9a-f]{32}$/.test(ref))).toBe(true)
})

test('a WriteError is an Error that says its code', () => {
  const error = new WriteError('forbidden', 'You may not.')

  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'WriteError', code: 'forbidden', fields: {}, data: undefined })
})
