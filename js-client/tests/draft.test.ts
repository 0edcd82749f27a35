import { describe, expect, test } from 'vitest'
import { Draft } from '../src/draft.ts'
import { settled } from './browser.ts'
import { ack, bodies, change, post, refusal, visitLive } from './page.ts'

/** The draft of the body of row 1, which says "a"; and a short way to what happens to it. */
function begin(options: { pauseMs?: number } = {}) {
  const page = visitLive([post(1, 'a', { tags: [1] }), post(2, 'b')])
  const { browser, posts } = page
  const [row] = posts.rows
  if (!row) throw new Error('no row')
  const draft = new Draft(posts, row, 'body', { after: browser.environment.after, ...options })
  const states: string[] = []
  draft.subscribe(({ value, state, theirs }) =>
    states.push(theirs === undefined ? `${state} ${value}` : `${state} ${value}|${theirs}`),
  )
  const updates = () =>
    browser.wire.sent.filter(said => said.payload.action === 'update').map(said => said.payload)
  return {
    ...page,
    draft,
    /** What was shown, in order; in a conflict mine|theirs. */
    states,
    /** What was written since the connection was made, without pk and action. */
    written: () => updates().map(({ data, expect: expected }) => [data, expected]),
    pause: () => browser.pass(400),
    /** The server has saved what was last sent, and says so. */
    async save(body: string) {
      const said = browser.wire.last('update')
      browser.wire.tell(change('update', post(1, body), { refs: [said.ref] }))
      browser.wire.tell(ack(said, 1))
      await settled()
    },
    /** Somebody else has written. */
    hear: (body: string) => browser.wire.tell(change('update', post(1, body))),
    remove: () => browser.wire.tell(change('delete', { pk: 1 })),
    async refuse(code: string, more: object = {}) {
      browser.wire.tell(refusal(browser.wire.last('update'), code, more))
      await settled()
    },
  }
}

describe('what is typed', () => {
  test('is the value at once, and is sent after a pause, with what was there before', async () => {
    const { draft, browser, states, written, pause, save } = begin()

    draft.type('ab')
    browser.pass(399)
    draft.type('abc')
    browser.pass(399)
    expect(written()).toEqual([])
    browser.pass(1)
    expect(written()).toEqual([[{ body: 'abc' }, { body: 'a' }]])
    await save('abc')

    pause()
    expect(written()).toHaveLength(1)
    expect(states).toEqual(['clean a', 'dirty ab', 'dirty abc', 'sending abc', 'clean abc'])
  })

  test('is not sent if it is what was there', () => {
    const { draft, written, pause, states } = begin()

    draft.type('ab')
    draft.type('a')
    pause()

    expect(written()).toEqual([])
    expect(states.at(-1)).toBe('clean a')
  })

  test('while a write is on its way leaves after its answer, at once if the pause is over', async () => {
    const { draft, written, pause, save, states } = begin()
    draft.type('ab')
    pause()
    draft.type('abc')
    pause()
    expect(written()).toHaveLength(1)

    await save('ab')

    expect(written()[1]).toEqual([{ body: 'abc' }, { body: 'ab' }])
    await save('abc')
    expect(states.at(-1)).toBe('clean abc')
  })

  test('while a write is on its way waits for its own pause', async () => {
    const { draft, written, pause, save, states } = begin()
    draft.type('ab')
    pause()
    draft.type('abc')

    await save('ab')
    expect(states.at(-1)).toBe('dirty abc')
    expect(written()).toHaveLength(1)
    pause()

    expect(written()).toHaveLength(2)
  })

  test('is sent only when told to, if the pause is infinite', () => {
    const { draft, browser, written } = begin({ pauseMs: Infinity })

    draft.type('ab')
    browser.pass(9_000)
    expect(written()).toEqual([])
    draft.send()

    expect(written()).toHaveLength(1)
  })

  test('is sent when the editor is left', () => {
    const { draft, written } = begin()

    draft.type('ab')
    draft.leave()

    expect(written()).toHaveLength(1)
  })

  test('is not sent any more once the draft is closed', async () => {
    const { draft, written, pause, save } = begin()
    draft.type('ab')
    pause()
    draft.type('abc')
    draft.send()

    draft.close()
    await save('ab')
    pause()

    expect(written()).toHaveLength(1)
  })

  test('may be any JSON, compared by what it says', async () => {
    const { browser, posts } = visitLive([post(1, 'a', { tags: [1, 2] })])
    const [row] = posts.rows
    if (!row) throw new Error('no row')
    const draft = new Draft(posts, row, 'tags', { after: browser.environment.after })

    draft.type([1, 2])
    draft.send()
    expect(draft.value.state).toBe('clean')
    browser.wire.tell(change('update', post(1, 'A', { tags: [1, 2] })))
    expect(draft.value.state).toBe('clean')
    draft.type([3])
    draft.send()

    expect(browser.wire.last('update').payload).toMatchObject({
      data: { tags: [3] },
      expect: { tags: [1, 2] },
    })
  })

  test('is sent after 400 ms of the real clock, without one of its own', () => {
    const { posts } = visitLive([post(1, 'a')])
    const [row] = posts.rows
    if (!row) throw new Error('no row')
    const draft = new Draft(posts, row, 'body')

    draft.type('ab')
    draft.close()

    expect(draft.value).toEqual({ value: 'ab', state: 'dirty', theirs: undefined, error: null })
  })
})

describe('a change by somebody else', () => {
  test('is shown beside what is typed, and nothing is sent', () => {
    const { draft, states, hear, written, pause } = begin()

    draft.type('mine')
    hear('theirs')
    pause()
    draft.type('mine too')
    draft.send()

    expect(states.slice(-2)).toEqual(['conflict mine|theirs', 'conflict mine too|theirs'])
    expect(written()).toEqual([])
  })

  test('is shown beside an open editor even if nothing is typed, and followed once it is left', () => {
    const { draft, states, hear, written } = begin()

    hear('theirs')
    expect(states.at(-1)).toBe('conflict a|theirs')
    draft.leave()

    expect(states.at(-1)).toBe('clean theirs')
    expect(written()).toEqual([])
  })

  test('is followed after the editor is left and all is sent', async () => {
    const { draft, states, hear, save } = begin()
    draft.type('mine')
    draft.leave()
    await save('mine')

    hear('theirs')

    expect(states.slice(-2)).toEqual(['clean mine', 'clean theirs'])
  })

  test('is shown beside once the editor is open again', async () => {
    const { draft, states, hear, save } = begin()
    draft.type('mine')
    draft.leave()
    await save('mine')
    expect(draft.open).toBe(false)

    draft.enter()
    hear('theirs')

    expect(draft.open).toBe(true)
    expect(states.at(-1)).toBe('conflict mine|theirs')
  })

  test('that is what is typed is no conflict', () => {
    const { draft, states, hear, written, pause } = begin()

    draft.type('ours')
    hear('ours')
    pause()

    expect(states.at(-1)).toBe('clean ours')
    expect(written()).toEqual([])
  })

  test('of another field is no conflict', () => {
    const { draft, browser, states, pause, written } = begin()

    draft.type('ab')
    browser.wire.tell(change('update', post(1, 'a', { tags: [2] })))
    pause()

    expect(states.at(-1)).toBe('sending ab')
    expect(written()).toEqual([[{ body: 'ab' }, { body: 'a' }]])
  })

  test('that is taken back ends the conflict, and what is typed leaves', () => {
    const { draft, states, hear, pause, written } = begin()
    draft.type('mine')
    hear('theirs')
    pause()

    hear('a')

    expect(states.at(-1)).toBe('sending mine')
    expect(written()).toEqual([[{ body: 'mine' }, { body: 'a' }]])
  })

  test('during a conflict is shown in its place', () => {
    const { draft, states, hear } = begin()
    draft.type('mine')

    hear('theirs')
    hear('theirs too')

    expect(states.at(-1)).toBe('conflict mine|theirs too')
  })

  test('that comes after our write and before its ack is a conflict', async () => {
    const { draft, browser, states, pause } = begin()
    draft.type('mine')
    pause()
    const said = browser.wire.last('update')

    // Both in one batch: the row is told once, with their value and our ref.
    browser.wire.tell(change('update', post(1, 'theirs'), { refs: [said.ref] }))
    browser.wire.tell(ack(said, 1))
    await settled()

    expect(states.at(-1)).toBe('conflict mine|theirs')
  })

  test('that came before our write is a conflict when the server says so', async () => {
    const { draft, states, hear, pause, refuse, written } = begin()
    draft.type('mine')
    pause()

    hear('theirs')
    expect(states.at(-1)).toBe('sending mine')
    await refuse('conflict', { data: { body: 'theirs' } })

    expect(states.at(-1)).toBe('conflict mine|theirs')
    expect(written()).toHaveLength(1)
  })

  test('that came before our write and says the same is none', async () => {
    const { draft, states, hear, pause, refuse } = begin()
    draft.type('ours')
    pause()

    hear('ours')
    await refuse('conflict', { data: { body: 'ours' } })

    expect(states.at(-1)).toBe('clean ours')
  })

  test('that was taken back before we were refused does not keep what is typed', async () => {
    const { draft, states, hear, pause, refuse, written } = begin()
    draft.type('mine')
    pause()

    hear('theirs')
    hear('a')
    await refuse('conflict', { data: { body: 'theirs' } })

    expect(states.at(-1)).toBe('sending mine')
    expect(written()).toHaveLength(2)
  })
})

describe('a conflict', () => {
  test('ends with theirs', () => {
    const { draft, states, hear, pause, written } = begin()
    draft.type('mine')
    hear('theirs')

    draft.takeTheirs()
    pause()

    expect(states.at(-1)).toBe('clean theirs')
    expect(written()).toEqual([])
  })

  test('ends with mine, which is sent over theirs and no other', async () => {
    const { draft, states, hear, written, save } = begin()
    draft.type('mine')
    hear('theirs')

    draft.keepMine()

    expect(written()).toEqual([[{ body: 'mine' }, { body: 'theirs' }]])
    await save('mine')
    expect(states.at(-1)).toBe('clean mine')
  })

  test('ends when theirs is typed', () => {
    const { draft, states, hear } = begin()
    draft.type('mine')
    hear('theirs')

    draft.type('theirs')

    expect(states.at(-1)).toBe('clean theirs')
  })

  test('that is none has nothing to decide', () => {
    const { draft, states, written } = begin()
    draft.type('mine')

    draft.takeTheirs()
    draft.keepMine()

    expect(states.at(-1)).toBe('dirty mine')
    expect(written()).toEqual([])
  })

  test('with a null is one, too', () => {
    const { browser, posts } = visitLive([post(1, 'a', { created: 'today' })])
    const [row] = posts.rows
    if (!row) throw new Error('no row')
    const draft = new Draft(posts, row, 'created', { after: browser.environment.after })
    draft.type('tomorrow')

    browser.wire.tell(change('update', { pk: 1, data: { body: 'a', created: null } }))

    expect(draft.value).toMatchObject({ state: 'conflict', theirs: null })
  })
})

describe('revert', () => {
  test('drops what was not sent', () => {
    const { draft, states, pause, written } = begin()
    draft.type('ab')

    draft.revert()
    pause()

    expect(states.at(-1)).toBe('clean a')
    expect(written()).toEqual([])
  })

  test('sends back what was there, if something was sent', async () => {
    const { draft, states, pause, written, save } = begin()
    draft.type('ab')
    pause()
    await save('ab')
    draft.type('abc')

    draft.revert()

    expect(written()[1]).toEqual([{ body: 'a' }, { body: 'ab' }])
    await save('a')
    expect(states.at(-1)).toBe('clean a')
  })

  test('sends it back after the answer to what is on its way', async () => {
    const { draft, pause, written, save } = begin()
    draft.type('ab')
    pause()

    draft.revert()
    expect(written()).toHaveLength(1)
    await save('ab')

    expect(written()[1]).toEqual([{ body: 'a' }, { body: 'ab' }])
  })

  test('in a conflict takes theirs, and does not go back behind it', () => {
    const { draft, states, hear, written } = begin()
    draft.type('mine')
    hear('theirs')

    draft.revert()
    draft.revert()

    expect(states.at(-1)).toBe('clean theirs')
    expect(written()).toEqual([])
  })

  test('goes back to theirs after mine was kept', async () => {
    const { draft, hear, written, save } = begin()
    draft.type('mine')
    hear('theirs')
    draft.keepMine()
    await save('mine')

    draft.revert()

    expect(written()[1]).toEqual([{ body: 'theirs' }, { body: 'mine' }])
  })

  test('drops what was refused', async () => {
    const { draft, states, pause, refuse } = begin()
    draft.type('')
    pause()
    await refuse('invalid')

    draft.revert()

    expect(states.at(-1)).toBe('clean a')
  })

  test('leaves a row that is gone as it is', () => {
    const { draft, states, remove } = begin()
    draft.type('ab')
    remove()

    draft.revert()

    expect(states.at(-1)).toBe('gone ab')
  })
})

describe('a refused write', () => {
  test('says why, and what is typed stays', async () => {
    const { draft, pause, refuse, drawn } = begin()
    draft.type('')
    pause()

    await refuse('invalid', { fields: { body: ['Write something first.'] } })

    expect(draft.value).toMatchObject({ value: '', state: 'refused' })
    expect(draft.value.error?.fields).toEqual({ body: ['Write something first.'] })
    expect(drawn.at(-1)).toBe('a b')
  })

  test('is not tried again by itself, nor because another field changes', async () => {
    const { draft, browser, pause, refuse, written } = begin()
    draft.type('')
    pause()
    await refuse('invalid')

    browser.wire.tell(change('update', post(1, 'a', { tags: [2] })))
    draft.leave()
    pause()

    expect(draft.value.state).toBe('refused')
    expect(written()).toHaveLength(1)
  })

  test('is tried again with what is typed next, and by send', async () => {
    const { draft, pause, refuse, written } = begin()
    draft.type('')
    pause()
    await refuse('failed')

    draft.send()
    expect(written()[1]).toEqual([{ body: '' }, { body: 'a' }])
    await refuse('failed')
    draft.type('b')
    expect(draft.value).toMatchObject({ state: 'dirty', error: null })
    pause()

    expect(written()[2]).toEqual([{ body: 'b' }, { body: 'a' }])
  })

  test('of what is no longer typed is passed over', async () => {
    const { draft, pause, refuse, written } = begin()
    draft.type('')
    pause()
    draft.type('b')

    await refuse('invalid')
    expect(draft.value.state).toBe('dirty')
    pause()

    expect(written()[1]).toEqual([{ body: 'b' }, { body: 'a' }])
  })

  test('becomes a conflict when somebody else writes', async () => {
    const { draft, states, hear, pause, refuse } = begin()
    draft.type('')
    pause()
    await refuse('invalid')

    hear('theirs')

    expect(states.at(-1)).toBe('conflict |theirs')
  })

  test('as a conflict that is none is told, and not tried for ever', async () => {
    const { draft, pause, refuse, written } = begin()
    draft.type('ab')
    pause()

    await refuse('conflict', { data: { body: 'a' } })
    pause()

    expect(draft.value.state).toBe('refused')
    expect(written()).toHaveLength(1)
  })
})

describe('a row that somebody deletes', () => {
  test('is gone, and what is typed is still there', () => {
    const { draft, states, remove, pause, written } = begin()
    draft.type('ab')

    remove()
    draft.type('abc')
    pause()
    draft.send()

    expect(states.slice(-2)).toEqual(['gone ab', 'gone abc'])
    expect(written()).toEqual([])
  })

  test('while a write is on its way is gone, whatever the answer', async () => {
    const { draft, states, remove, pause, refuse } = begin()
    draft.type('ab')
    pause()

    remove()
    expect(states.at(-1)).toBe('gone ab')
    await refuse('not_found')

    expect(states.at(-1)).toBe('gone ab')
  })

  test('right after our write was saved is gone, and what was typed is still there', async () => {
    const { draft, browser, states, remove, pause } = begin()
    draft.type('ab')
    pause()

    remove()
    browser.wire.tell(ack(browser.wire.last('update'), 1))
    await settled()

    expect(states.at(-1)).toBe('gone ab')
  })

  test('leaves nothing behind of a draft that is left and sent', async () => {
    const { draft, states, remove, save } = begin()
    draft.type('ab')
    draft.leave()
    await save('ab')

    remove()

    expect(states.at(-1)).toBe('clean ab')
  })

  test('and that comes back is what it was, with what is typed', () => {
    const { draft, browser, states, remove, pause, written } = begin()
    draft.type('ab')
    remove()

    browser.wire.tell(change('create', post(1, 'a')))
    expect(states.at(-1)).toBe('dirty ab')
    pause()

    expect(written()).toEqual([[{ body: 'ab' }, { body: 'a' }]])
  })

  test('and that comes back as something else is a conflict', () => {
    const { draft, browser, states, remove } = begin()
    draft.type('ab')
    remove()

    browser.wire.tell(change('create', post(1, 'x')))

    expect(states.at(-1)).toBe('conflict ab|x')
  })

  test('here, and whose delete is refused, goes on where it was', async () => {
    const { draft, browser, posts, states, pause } = begin()
    draft.type('ab')
    pause()
    const update = browser.wire.last('update')
    const deleted = posts.delete(1).catch(() => {})
    expect(states.at(-1)).toBe('gone ab')

    browser.wire.tell(change('update', post(1, 'ab'), { refs: [update.ref] }))
    browser.wire.tell(ack(update, 1))
    browser.wire.tell(refusal(browser.wire.last('delete'), 'forbidden'))
    await deleted
    await settled()

    expect(states.at(-1)).toBe('clean ab')
  })
})

describe('a lost connection', () => {
  test('keeps what is typed, and sends it with the connection, then what was typed since', async () => {
    const { draft, browser, states, pause, written, save } = begin()
    browser.wire.drop()
    draft.type('ab')
    pause()
    draft.type('abc')
    pause()
    expect(states.at(-1)).toBe('sending abc')

    browser.pass(60_000)
    browser.wire.open()
    expect(written()).toEqual([[{ body: 'ab' }, { body: 'a' }]])
    browser.wire.tell(ack(browser.wire.last('update'), 1))
    browser.wire.snapshot([post(1, 'ab')])
    await settled()

    expect(written()[1]).toEqual([{ body: 'abc' }, { body: 'ab' }])
    await save('abc')
    expect(states.at(-1)).toBe('clean abc')
  })

  test('during which somebody else wrote ends in a conflict', async () => {
    const { draft, browser, states, pause } = begin()
    browser.wire.drop()
    draft.type('mine')
    pause()

    browser.pass(60_000)
    browser.wire.open()
    browser.wire.tell(refusal(browser.wire.last('update'), 'conflict', { data: { body: 'theirs' } }))
    expect(states.at(-1)).toBe('sending mine')
    browser.wire.snapshot([post(1, 'theirs')])
    await settled()

    expect(states.at(-1)).toBe('conflict mine|theirs')
  })

  test('before the answer: the same write again, and its answer counts', async () => {
    const { draft, browser, states, pause } = begin()
    draft.type('ab')
    pause()
    const first = browser.wire.last('update')
    browser.wire.drop()

    browser.pass(60_000)
    browser.wire.open()
    expect(browser.wire.last('update')).toEqual(first)
    browser.wire.tell(ack(first, 1))
    browser.wire.snapshot([post(1, 'ab')])
    await settled()

    expect(states.at(-1)).toBe('clean ab')
  })

  test('during which the row was deleted ends with it gone', async () => {
    const { draft, browser, states, pause } = begin()
    browser.wire.drop()
    draft.type('ab')
    pause()

    browser.pass(60_000)
    browser.wire.open()
    browser.wire.tell(refusal(browser.wire.last('update'), 'not_found'))
    browser.wire.snapshot([post(2, 'b')])
    await settled()

    expect(states.at(-1)).toBe('gone ab')
  })

  test('for good says so: the rows go, and what is typed stays', async () => {
    const { draft, browser, posts, pause } = begin()
    draft.type('ab')
    pause()

    browser.wire.drop(4409)
    await settled()

    expect(bodies(posts)).toBe('')
    expect(draft.value).toMatchObject({ value: 'ab', state: 'refused' })
    expect(draft.value.error?.message).toBe('You have been logged out.')
  })
})

test('the draft of a row that the server has still to make is written to it once it is there', async () => {
  const { browser, posts } = visitLive()
  void posts.create({ body: '' })
  const [row] = posts.rows
  if (!row) throw new Error('no row')
  const draft = new Draft(posts, row, 'body', { after: browser.environment.after })

  draft.type('Goal')
  draft.send()
  const { ref } = browser.wire.last('create')
  browser.wire.tell(change('create', post(9, ''), { refs: [ref] }))
  browser.wire.tell(ack(browser.wire.last('create'), 9))

  expect(browser.wire.last('update').payload).toMatchObject({ pk: 9, data: { body: 'Goal' } })
  browser.wire.tell(change('update', post(9, 'Goal'), { refs: [browser.wire.last('update').ref] }))
  await settled()
  expect(draft.value).toMatchObject({ value: 'Goal', state: 'clean' })
})
