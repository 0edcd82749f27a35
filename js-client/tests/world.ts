/** The world of the sync rules: one database, server processes with a tail and a hub each, connections that delay and
 *  are cut, outside writers, pruning, access taken and given. The server half of the executable model of the protocol,
 *  speaking real frames, with the real client on the other end.
 *
 *  Every step is taken by the test: `world.runnable` says what may happen next.
 */

import { Browser, type FakeWire, type Said } from './browser.ts'

export type Group = 'A' | 'B' | 'C'
/** `c` the tag of the create, `n` the tag of the last own write, `v` the place in the journal of the last change. */
export type Item = { g: Group; x: number; y: number; c: number; n: number; v: number }
type State = Item | null
type Entry = { pk: number; before: State; ref: string | undefined; own: boolean; tag: number | undefined }
type Change = {
  action: 'create' | 'update' | 'delete'
  pk: number
  data: object
  refs: string[]
}
/** What the server says. */
export type Frame = {
  stream: string
  params?: { view: string }
  ref?: string
  refs?: string[]
  cursor?: string | undefined
  payload: { action?: string; changes?: Change[]; [more: string]: unknown }
}
type Task = Generator<(() => boolean) | undefined, void, void>

export const GROUPS: readonly Group[] = ['A', 'B', 'C']
export const VIEWS: Readonly<Record<string, readonly Group[]>> = { A: ['A'], AB: ['A', 'B'] }
const ORDER = ['delete', 'update', 'create']

export class Database {
  readonly rows = new Map<number, Item>()
  readonly journal: Entry[] = []
  /** Kept longer than the journal: what was sent, and what was answered. */
  readonly refs = new Map<string, { pk: number; said: string }>()
  /** By pk: from which place in the journal it was what. */
  readonly states = new Map<number, [at: number, state: State][]>()
  floor = 0
  #next = 1

  get end(): number {
    return this.journal.length
  }

  newPk(): number {
    return this.#next++
  }

  /** One transaction. */
  commit(ops: { pk: number; data: Partial<Item> | null; own: boolean }[], ref?: string): void {
    for (const { pk, data, own } of ops) {
      const before = this.rows.get(pk) ?? null
      const blank: Item = { g: 'C', x: 0, y: 0, c: 0, n: 0, v: 0 }
      const after = data && { ...(before ?? blank), ...data, v: this.end + 1 }
      if (after) this.rows.set(pk, after)
      else this.rows.delete(pk)
      this.journal.push({ pk, before, ref, own, tag: own && ref ? data?.n : undefined })
      this.states.set(pk, [...(this.states.get(pk) ?? []), [this.end, after]])
    }
  }

  stateAt(pk: number, at: number): State {
    return this.states.get(pk)?.findLast(([from]) => from <= at)?.[1] ?? null
  }
}

class Member {
  readonly connection: Connection
  readonly view: string
  readonly groups: readonly Group[]
  hold: { text: Frame; end: number }[] | null = []
  covers = -1

  constructor(connection: Connection, view: string, groups: readonly Group[]) {
    this.connection = connection
    this.view = view
    this.groups = groups
  }

  get print(): string {
    return this.groups.join('')
  }
}

class Process {
  readonly world: World
  passed = 0
  members: Member[] = []
  readonly shared = new Map<string, { at: number; rows: [number, Item][] }>()
  #cursor = 0

  constructor(world: World) {
    this.world = world
  }

  read(from: number, to: number) {
    const { db } = this.world
    const rows = new Map<number, { images: State[]; refs: string[]; now: State }>()
    for (const { pk, before, ref, own } of db.journal.slice(from, to)) {
      const entry = rows.get(pk) ?? { images: [], refs: [], now: db.rows.get(pk) ?? null }
      rows.set(pk, entry)
      entry.images.push(before)
      if (ref && own) entry.refs.push(ref)
    }
    return rows
  }

  changes(groups: readonly Group[], batch: ReturnType<Process['read']>): Change[] {
    const changes: Change[] = []
    for (const [pk, { images, refs, now }] of batch) {
      const was = images.some(image => image && groups.includes(image.g))
      const is = now && groups.includes(now.g)
      if (!was && !is) continue
      const action = !is ? 'delete' : was ? 'update' : 'create'
      changes.push({ action, pk, data: is ? now : {}, refs })
    }
    return changes.toSorted((a, b) => ORDER.indexOf(a.action) - ORDER.indexOf(b.action))
  }

  *tail(): Task {
    const { db } = this.world
    for (;;) {
      yield () => db.end > this.#cursor
      // One read transaction, never cut: the rows are exactly as they were at the end of the batch.
      const to = db.end
      const batch = this.read(this.#cursor, to)
      this.#cursor = to
      yield
      for (const member of this.members) {
        if (to <= member.covers) continue
        const changes = this.changes(member.groups, batch)
        if (changes.length === 0) continue
        const text = frameOf(member.view, changes, `${to}:${member.print}`)
        if (member.hold) member.hold.push({ text, end: to })
        else member.connection.send(text)
      }
      this.passed = to
      this.world.say(`hub passed ${to}`)
    }
  }
}

const named = (view: string) => ({ stream: 'rows', params: { view } })

function frameOf(view: string, changes: Change[], cursor: string): Frame {
  const [only, ...more] = changes
  if (!only || more.length > 0) return { ...named(view), cursor, payload: { action: 'changes', changes } }
  const { refs, ...payload } = only
  return {
    ...named(view),
    cursor,
    ...(refs.length > 0 && { refs }),
    payload: { ...payload, model: 'app.row' },
  }
}

export class Connection {
  readonly world: World
  readonly process: Process
  readonly wire: FakeWire
  /** On the way to the browser. */
  readonly down: Frame[] = []
  /** Arrived at the server, not yet begun. */
  received: Said[] = []
  cut = false
  dead = false
  #unanswered = 0

  constructor(world: World, process: Process, wire: FakeWire) {
    this.world = world
    this.process = process
    this.wire = wire
    world.tasks.push(this.serve())
  }

  send(frame: Frame): void {
    if (!this.cut) this.down.push(frame)
  }

  leave(view?: string): void {
    this.process.members = this.process.members.filter(
      member => member.connection !== this || (view !== undefined && member.view !== view),
    )
  }

  *serve(): Task {
    while (!this.dead) {
      yield () => this.received.length > 0 || this.dead
      const said = this.received.shift()
      if (!said) return
      const { stream, ref, payload } = said
      const view = String(said.params?.['view'])
      switch (payload.action) {
        case 'subscribe':
          yield* this.#subscribe(view, ref, payload.since)
          break
        case 'unsubscribe':
          this.leave(view)
          this.send({ ...named(view), ref, payload: { action: 'ack' } })
          break
        case 'ping':
          this.send({ stream, ref, cursor: this.#cursor(), payload: { action: 'ack' } })
          break
        case 'ack':
          break
        default:
          yield* this.#write(said)
      }
    }
  }

  #cursor(): string | undefined {
    const live = this.process.members.filter(member => member.connection === this && !member.hold)
    return live.length > 0 ? `${this.process.passed}:${live.map(({ print }) => print).join('|')}` : undefined
  }

  *#answer(frame: Frame, at: number): Task {
    yield () => this.process.passed >= at
    this.send(frame)
    this.#unanswered -= 1
  }

  #later(ref: string, payload: Frame['payload']): void {
    this.#unanswered += 1
    this.world.tasks.push(this.#answer({ stream: 'rows', ref, payload }, this.world.db.end))
  }

  *#write({ ref, payload }: Said): Task {
    const { db } = this.world
    yield
    const said = JSON.stringify(payload)
    const seen = db.refs.get(ref)
    if (seen) {
      if (seen.said !== said)
        this.world.fault(`ref ${ref} came back with other data: ${seen.said} then ${said}`)
      return this.#later(ref, { action: 'ack', pk: seen.pk })
    }
    const data: Partial<Item> & { bad?: boolean } = payload.data ?? {}
    const row = db.rows.get(Number(payload.pk))
    let code: string | undefined
    if (payload.action !== 'create' && !row) code = 'not_found'
    else if (Object.entries(payload.expect ?? {}).some(([field, value]) => row?.[field as 'x'] !== value))
      code = 'conflict'
    else if (data.bad) code = 'invalid'
    if (code) {
      this.world.refused.add(data.n ?? 0)
      return this.#later(ref, { action: 'error', code, message: `No: ${code}.` })
    }
    const pk = payload.action === 'create' ? db.newPk() : Number(payload.pk)
    const ops: Parameters<Database['commit']>[0] = [
      { pk, data: payload.action === 'delete' ? null : data, own: true },
    ]
    // A signal writes another row of the same model in the same transaction, first.
    if (payload.action === 'create' && this.world.chance() < 0.5) {
      ops.unshift({ pk: db.newPk(), data: { g: data.g ?? 'A', x: -1 }, own: false })
    }
    db.commit(ops, ref)
    db.refs.set(ref, { pk, said })
    if (data.n) this.world.tags.set(ref, data.n)
    this.world.say(`db ${db.end}:`, ref.slice(0, 4), said, '→ pk', pk)
    this.#later(ref, { action: 'ack', pk })
  }

  *#subscribe(view: string, ref: string, since: string | undefined): Task {
    const { db } = this.world
    yield () => this.#unanswered === 0 || this.dead
    this.leave(view)
    const groups = (VIEWS[view] ?? []).filter(group => this.world.access.includes(group))
    const member = new Member(this, view, groups)
    this.process.members.push(member)
    yield
    const [position, prints] = since?.split(':') ?? []
    let at: number
    if (since && Number(position) >= db.floor && prints?.split('|').includes(member.print)) {
      at = member.covers = db.end
      const changes = this.process.changes(groups, this.process.read(Number(position), at))
      yield
      if (changes.length > 0) this.send(frameOf(view, changes, `${at}:${member.print}`))
    } else {
      at = member.covers = db.end
      const items = [...db.rows]
        .filter(([, item]) => groups.includes(item.g))
        .map(([pk, data]) => ({ pk, data }))
      const middle = Math.floor(this.world.chance() * (items.length + 1))
      yield
      this.send({
        ...named(view),
        payload: { action: 'snapshot', first: true, rows: items.slice(0, middle) },
      })
      yield
      if (
        this.received.some(said => said.payload.action === 'unsubscribe' && said.params?.['view'] === view)
      ) {
        this.leave(view)
        return this.send({ ...named(view), ref, payload: { action: 'ack' } }) // given up: nobody waits for it
      }
      this.send({ ...named(view), payload: { action: 'snapshot', rows: items.slice(middle) } })
      yield
    }
    for (const { text, end } of member.hold ?? []) if (end > at) this.send(text)
    member.hold = null
    this.send({ ...named(view), ref, cursor: `${at}:${member.print}`, payload: { action: 'ack' } })
    this.world.say(`${view} caught up at ${at} (${since ?? 'from nothing'})`)
  }
}

export class World {
  readonly db = new Database()
  readonly browser = new Browser()
  readonly processes = [new Process(this), new Process(this)]
  readonly tasks: Task[] = []
  readonly log: unknown[][] = []
  /** The tag that each ref has brought to the database. */
  readonly tags = new Map<string, number>()
  /** The tags of the writes that the server has said no to. */
  readonly refused = new Set<number>()
  access: readonly Group[] = ['A', 'B']
  accessChanged = false
  connection: Connection | undefined
  /** Set anew for each move, so that a move means the same whatever came before it. */
  chance: () => number = () => 0
  readonly #waiting = new Map<Task, () => boolean>()

  constructor() {
    for (const process of this.processes) this.tasks.push(process.tail())
    for (const g of ['A', 'B', 'A'] as const) this.#outside(this.db.newPk(), { g })
  }

  say(...words: unknown[]): void {
    this.log.push(words)
  }

  fault(what: string): never {
    const words = (line: unknown[]) =>
      line.map(word => (typeof word === 'string' ? word : JSON.stringify(word)))
    throw new Error([what, ...this.log.slice(-60).map(line => words(line).join(' '))].join('\n'))
  }

  pick<T>(from: readonly T[]): T {
    const one = from[Math.floor(this.chance() * from.length)]
    if (one === undefined) throw new Error('Nothing to pick from.')
    return one
  }

  get runnable(): Task[] {
    return this.tasks.filter(task => this.#waiting.get(task)?.() ?? true)
  }

  step(task: Task): void {
    this.#waiting.delete(task)
    const { done, value } = task.next()
    if (done) this.tasks.splice(this.tasks.indexOf(task), 1)
    else if (value) this.#waiting.set(task, value)
  }

  /** Somebody who is not our browser writes. */
  outsider(): void {
    const kind = this.chance()
    if (kind < 0.25 || this.db.rows.size === 0) {
      return this.#outside(this.db.newPk(), { g: this.pick(GROUPS), x: Math.floor(this.chance() * 1000) })
    }
    const pk = this.pick([...this.db.rows.keys()])
    if (kind < 0.45) this.#outside(pk, { [this.pick(['x', 'y'])]: Math.floor(this.chance() * 1000) })
    else if (kind < 0.85) this.#outside(pk, { g: this.pick(GROUPS) })
    else this.#outside(pk, null)
  }

  #outside(pk: number, data: Partial<Item> | null): void {
    this.db.commit([{ pk, data, own: false }])
    this.say(`db ${this.db.end}: somebody`, data, '→ pk', pk)
  }

  /** The handshake of the browser's newest connection is done. */
  accept(): void {
    const { wire } = this.browser
    this.connection = new Connection(this, this.pick(this.processes), wire)
    this.say('-- connected')
    wire.open()
  }

  /** The connection is gone; what the server has received may still be done. The browser is told, or not. */
  cut(told: boolean): void {
    const { connection } = this
    if (!connection) return
    this.say(`-- cut${told ? '' : ', silently'}`)
    const { wire } = connection
    connection.received.push(...wire.sent.splice(0, Math.floor(this.chance() * (wire.sent.length + 1))))
    wire.sent.length = connection.down.length = 0
    connection.cut = true
    if (this.chance() < 0.4) {
      connection.dead = true
      connection.received = []
    }
    this.tasks.push(this.#zombie(connection, Math.floor(this.chance() * 6)))
    this.connection = undefined
    if (told && !wire.closed) wire.drop()
  }

  *#zombie(connection: Connection, steps: number): Task {
    for (let step = 0; step < steps; step++) yield
    connection.leave()
    yield () => connection.received.length === 0
    connection.dead = true
    connection.leave()
  }

  /** The server gives up on deriving a subscription. */
  reset(): void {
    const mine = this.processes.flatMap(({ members }) => members).filter(member => !member.hold)
    if (mine.length === 0) return
    const { connection, view } = this.pick(mine)
    connection.leave(view)
    this.say(`-- reset ${view}`)
    connection.send({ ...named(view), payload: { action: 'reset', reason: 'unclear' } })
  }
}
