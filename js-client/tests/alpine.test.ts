// @vitest-environment happy-dom

import csp from '@alpinejs/csp'
import standard from 'alpinejs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import live, { type AlpineLike, type Live } from '../src/adapters/alpine.ts'
import { Browser } from './browser.ts'
import { connect, type Socket } from '../src/index.ts'

type AlpineStatic = AlpineLike & {
  data(name: string, make: () => object): void
  initTree(element: Element): void
  destroyTree(element: Element): void
  nextTick(): Promise<void>
  startObservingMutations(): void
}

const told = (pk: number, body: string) => ({ pk, data: { body } })
const say = (action: string, pk: number, data: object = {}, refs?: string[]) => ({
  stream: 'posts',
  refs,
  cursor: 'c1',
  payload: { action, pk, data },
})

describe.each([
  ['alpinejs', standard as AlpineStatic],
  ['@alpinejs/csp', csp as AlpineStatic],
])('with %s', (_, Alpine) => {
  let browser: Browser
  let socket: Socket
  let root: Element

  beforeEach(() => {
    browser = new Browser()
    socket = connect('wss://example.com/ws/', browser.environment)
    live(socket)(Alpine)
  })

  afterEach(() => {
    Alpine.destroyTree(root)
    root.remove()
    vi.useRealTimers()
  })

  async function show(html: string) {
    document.body.innerHTML = `<div id="root">${html}</div>`
    const found = document.querySelector('#root')
    if (!found) throw new Error('no root')
    root = found
    Alpine.initTree(root)
    for (let step = 0; step < 5; step++) await null // not nextTick: a test may hold the clock
  }

  const texts = (selector: string) => [...root.querySelectorAll(selector)].map(element => element.textContent)

  test('$presence draws who is here, says what one does, and leaves with its element', async () => {
    await show(`
      <main x-data="{ readers: $presence('posts') }">
        <template x-for="person in readers.people" :key="person.$key"><p x-text="person.name"></p></template>
        <button @click="readers.set({ field: 'body' })"></button>
      </main>`)
    browser.wire.open()
    browser.wire.snapshot([])
    const joined = { k1: { name: 'alice', person: 'a', state: {} } }

    browser.wire.tell({ stream: 'posts', payload: { action: 'presence', first: true, joined } })
    await Alpine.nextTick()
    expect(texts('p')).toEqual(['alice'])
    browser.wire.tell({
      stream: 'posts',
      ref: browser.wire.last().ref,
      payload: { action: 'ack', key: 'k1' },
    })
    root.querySelector('button')?.click()
    expect(browser.wire.last().payload).toEqual({ action: 'presence', state: { field: 'body' } })
    browser.wire.tell({
      stream: 'posts',
      ref: browser.wire.last().ref,
      payload: { action: 'ack', key: 'k1' },
    })
    Alpine.destroyTree(root)

    expect(browser.wire.last().payload).toEqual({ action: 'presence', state: null })
  })

  test('$live in x-data draws the rows, and moves their nodes', async () => {
    await show(`
      <main x-data="{ posts: $live('posts', { order: '-$pk' }) }">
        <output x-text="posts.status"></output>
        <template x-for="post in posts.rows" :key="post.$key"><p x-text="post.body"></p></template>
      </main>`)
    expect(texts('output')).toEqual(['loading'])

    browser.wire.open()
    browser.wire.snapshot([told(1, 'a'), told(2, 'b')])
    await Alpine.nextTick()
    expect(texts('output')).toEqual(['live'])
    expect(texts('p')).toEqual(['b', 'a'])
    const [b, a] = root.querySelectorAll('p')
    browser.wire.tell(say('create', 3, { body: 'c' }))
    browser.wire.tell(say('update', 1, { body: 'A' }))
    await Alpine.nextTick()

    expect(texts('p')).toEqual(['c', 'b', 'A'])
    expect([...root.querySelectorAll('p')].slice(1)).toEqual([b, a])
    expect(root.querySelectorAll('p')[1]).toBe(b)
    expect(root.querySelectorAll('p')[2]).toBe(a)
  })

  test('Alpine.data with methods: an optimistic row keeps its node, and a row from the list can be changed', async () => {
    Alpine.data('blog', () => ({
      posts: null as Live<{ body: string }> | null,
      error: '',
      init(this: { posts: unknown; $live: (stream: string) => unknown }) {
        this.posts = this.$live('posts')
      },
      add(this: { posts: Live<{ body: string }> }) {
        void this.posts.create({ body: 'new' })
      },
      shout(this: { posts: Live<{ body: string }>; error: string }) {
        const row = this.posts.rows.find(post => post.$pk === 1)
        if (row)
          this.posts
            .update(row, { body: row.body.toUpperCase() })
            .catch(error => (this.error = error.message))
      },
      clear(this: { posts: Live<{ body: string }> }) {
        const row = this.posts.rows.at(-1)
        if (row) void this.posts.delete(row)
      },
    }))
    await show(`
      <main x-data="blog">
        <button id="add" x-on:click="add">+</button>
        <button id="shout" x-on:click="shout">!</button>
        <button id="clear" x-on:click="clear">-</button>
        <output x-text="error"></output>
        <template x-for="post in posts.rows" :key="post.$key"><p x-text="post.body" :class="{ pending: post.$pending }"></p></template>
      </main>`)
    browser.wire.open()
    browser.wire.snapshot([told(1, 'a')])
    const click = (id: string) => root.querySelector(`#${id}`)?.dispatchEvent(new Event('click'))

    click('add')
    await Alpine.nextTick()
    expect(texts('p')).toEqual(['a', 'new'])
    expect(texts('p.pending')).toEqual(['new'])
    const node = root.querySelectorAll('p')[1]
    browser.wire.tell(say('create', 2, { body: 'new' }, [browser.wire.last('create').ref]))
    await Alpine.nextTick()
    expect(root.querySelectorAll('p')[1]).toBe(node)
    expect(texts('p.pending')).toEqual([])

    click('shout')
    await Alpine.nextTick()
    expect(texts('p')).toEqual(['A', 'new'])
    const { ref, payload } = browser.wire.last('update')
    expect(payload).toEqual({ action: 'update', pk: 1, data: { body: 'A' } })
    browser.wire.tell({
      stream: 'posts',
      ref,
      payload: { action: 'error', code: 'forbidden', message: 'You may not.' },
    })
    await vi.waitFor(() => expect(texts('output')).toEqual(['You may not.']))
    expect(texts('p')).toEqual(['a', 'new'])

    click('clear')
    await Alpine.nextTick()
    expect(browser.wire.last('delete').payload).toEqual({ action: 'delete', pk: 2 })
    expect(texts('p')).toEqual(['a'])
  })

  test('rows are told apart though Alpine has wrapped them', async () => {
    await show('<main x-data="{ posts: $live(\'posts\') }"></main>')
    browser.wire.open()
    browser.wire.snapshot([told(1, 'a')])
    const posts = socket.collection<{ body: string }>('posts')
    const [row] = posts.rows
    if (!row) throw new Error('no row')

    void posts.update(Alpine.reactive({ row }).row, Alpine.reactive({ body: 'b' }))
    void posts.delete(new Proxy(row, {}))

    expect(browser.wire.last('update').payload).toEqual({ action: 'update', pk: 1, data: { body: 'b' } })
    expect(posts.rows).toEqual([])
  })

  test('an error of the list is shown', async () => {
    await show(`<main x-data="{ posts: $live('posts') }">
      <template x-if="posts.error"><output x-text="posts.error.message"></output></template></main>`)
    browser.wire.open()
    const { ref } = browser.wire.last()

    browser.wire.tell({
      stream: 'posts',
      ref,
      payload: { action: 'error', code: 'forbidden', message: 'Not you.' },
    })
    await Alpine.nextTick()

    expect(texts('output')).toEqual(['Not you.'])
  })

  test('$live read again by the same element is the same, and ends with the element', async () => {
    await show(`<main x-data><output x-text="$live('posts').rows.length"></output></main>`)
    browser.wire.open()
    browser.wire.snapshot([told(1, 'a')])
    await Alpine.nextTick()
    browser.wire.tell(say('create', 2, { body: 'b' }))
    await Alpine.nextTick()
    expect(texts('output')).toEqual(['2'])
    expect(browser.wire.sent).toHaveLength(1)

    Alpine.destroyTree(root)
    browser.pass(1_000)

    expect(browser.wire.last().payload.action).toBe('unsubscribe')
  })

  test('$connection tells how it is, and counts the seconds', async () => {
    vi.useFakeTimers({ now: browser.now })
    const tick = () => vi.advanceTimersByTimeAsync(0)
    await show(
      `<main x-data="{ posts: $live('posts') }"><output x-text="$connection.state + ' ' + $connection.retryInS"></output></main>`,
    )
    expect(texts('output')).toEqual(['connecting undefined'])
    browser.wire.open()
    await tick()
    expect(texts('output')).toEqual(['online undefined'])
    browser.random = 1

    browser.wire.drop(4408)
    await tick()
    expect(texts('output')).toEqual(['waiting 1'])
    browser.pass(1_000)
    browser.wire.drop(4408)
    await tick()
    expect(texts('output')).toEqual(['waiting 3'])
    await vi.advanceTimersByTimeAsync(1_000)
    await tick()
    expect(texts('output')).toEqual(['waiting 2'])
    await vi.advanceTimersByTimeAsync(3_000)
    await tick()
    expect(texts('output')).toEqual(['waiting 0'])
    expect(vi.getTimerCount()).toBe(0)

    socket.close()
    await tick()
    expect(texts('output')).toEqual(['closed undefined'])
  })
})
