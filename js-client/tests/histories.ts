/** One history: a person with two lists of the same rows in one browser, and what may never be seen there.
 *
 *  A history is a list of numbers, each of which is one move; `live` returns normally if nothing went wrong. */

import { type Collection, connect, type Row, type Socket } from '../src/index.ts'
import { GROUPS, type Item, VIEWS, World } from './world.ts'

type Shown = Row<Item & { bad?: boolean }>
type Deed = {
  tag: number
  list: List
  action: 'create' | 'update' | 'delete'
  row: Shown | undefined
  outcome: 'open' | 'done' | string
  pk: number | undefined
}

const turn = async () => {
  for (let step = 0; step < 8; step++) await null
}

/** Mulberry32: a small generator, good enough, so that one number gives as much chance as a move needs. */
function chanceFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

class List {
  readonly view: string
  readonly collection: Collection<Item & { bad?: boolean }>
  readonly #person: Person
  stop: (() => void) | undefined
  #before = new Map<string, Shown>()
  /** By pk: the earliest place in the journal that agrees with all that was shown. */
  readonly reached = new Map<number, number>()

  constructor(person: Person, socket: Socket, view: string) {
    this.#person = person
    this.view = view
    this.collection = socket.collection('rows', { params: { view }, order: 'c' })
  }

  open(): void {
    if (!this.stop) this.#before = new Map() // what happened while nobody looked, nobody has seen
    this.stop ??= this.collection.subscribe(rows => this.#person.guard(() => this.#see(rows)))
  }

  /** Whatever is drawn, however shortly, is seen. */
  #see(rows: readonly Shown[]): void {
    const { world } = this.#person
    const unique = (name: string, of: (row: Shown) => unknown) => {
      const values = rows.map(of).filter(value => value !== undefined)
      if (new Set(values).size < values.length) world.fault(`double ${name} in ${this.view}: ${show(rows)}`)
    }
    unique('$key', row => row.$key)
    unique('$pk', row => row.$pk)
    unique('row', row => row.c || undefined)
    for (const row of rows) {
      if (!Object.isFrozen(row)) world.fault('a row that can be written to')
      const before = this.#before.get(String(row.$pk ?? row.$key)) ?? this.#before.get(`c${row.c}`)
      if (before && before.$key !== row.$key) world.fault(`the node of ${row.$pk} was replaced`)
      if (before && before !== row && show([before]) === show([row]))
        world.fault(`${show([row])}: equal, not same`)
    }
    this.#before = new Map(
      rows.flatMap(row => [[String(row.$pk ?? row.$key), row] as const, [`c${row.c || '-'}`, row] as const]),
    )
    const { status } = this.collection
    if (status === 'idle' || status === 'loading') return
    const shown = new Map(rows.map(row => [Number(row.$pk), row]))
    for (const pk of world.db.states.keys()) {
      const row = shown.get(pk)
      this.#follow(pk, row)
      if (row) this.#honour(pk, row)
    }
  }

  /** A screen never moves backwards: what it shows of a row is some state at or after the one it showed before. */
  #follow(pk: number, row: Shown | undefined): void {
    const { world } = this.#person
    if (row ? !row.v : this.#deleting(pk)) return // ours: the server has not told it, or is about to take it
    const from = this.reached.get(pk) ?? 0
    const states = world.db.states.get(pk) ?? []
    const agrees = (state: Item | null) =>
      row ? state?.v === row.v : !state || world.accessChanged || !VIEWS[this.view]?.includes(state.g)
    if (agrees(world.db.stateAt(pk, from))) return
    const next = states.find(([at, state]) => at > from && agrees(state))
    if (!next) {
      return world.fault(
        `${this.view} goes backwards: pk ${pk} is ${show(row ? [row] : [])}, and was already at ${from} of ${JSON.stringify(states)}`,
      )
    }
    this.reached.set(pk, next[0])
  }

  #deleting(pk: number): boolean {
    const { world, deeds } = this.#person
    const made = world.db.states.get(pk)?.[0]?.[1]?.c // the tag of the create, if it was one of ours
    return deeds.some(
      ({ action, list, outcome, row }) =>
        action === 'delete' &&
        list === this &&
        outcome === 'open' &&
        (row?.$pk === pk || (made && row?.c === made)),
    )
  }

  /** An own edit never reverts before its answer. */
  #honour(pk: number, row: Shown): void {
    const { world, deeds } = this.#person
    const mine = deeds.filter(
      deed => deed.list === this && deed.action === 'update' && deed.row && this.#pkOf(deed) === pk,
    )
    // What is merged into a write that is refused, is refused with it.
    const refused = (tag: number) => mine.some(deed => deed.tag >= tag && world.refused.has(deed.tag))
    const last = mine.findLast(deed => deed.outcome === 'open' && !refused(deed.tag))
    if (!last || row.n >= last.tag) return
    const done = world.db.journal.findIndex(
      entry => entry.tag !== undefined && entry.tag >= last.tag && entry.pk === pk,
    )
    if (done < 0 || row.v < done + 1) world.fault(`own edit ${last.tag} of pk ${pk} reverts: ${show([row])}`)
  }

  #pkOf(deed: Deed): number | undefined {
    return deed.row?.$pk === undefined ? undefined : Number(deed.row.$pk)
  }

  /** It is answered: what it did is on the screen, or something later. */
  settled(deed: Deed): void {
    const { world } = this.#person
    const { pk } = deed
    const { status } = this.collection
    if (pk === undefined || status === 'idle' || status === 'loading') return
    const done = world.db.journal.findIndex(entry => entry.tag === deed.tag && entry.pk === pk)
    if (done < 0) return
    this.reached.set(pk, Math.max(this.reached.get(pk) ?? 0, done + 1))
    this.#follow(
      pk,
      this.collection.rows.find(row => row.$pk === pk),
    )
  }
}

const show = (rows: readonly Shown[]) => JSON.stringify(rows)

class Person {
  readonly world = new World()
  readonly deeds: Deed[] = []
  readonly socket = connect('wss://example.com/ws/', this.world.browser.environment)
  readonly lists = Object.keys(VIEWS).map(view => new List(this, this.socket, view))
  readonly faults: unknown[] = []
  #tag = 0

  async act(): Promise<void> {
    const { world } = this
    if (this.deeds.filter(({ outcome }) => outcome === 'open').length > 6) return
    const list = world.pick(this.lists)
    const { rows } = list.collection
    const kind = world.chance()
    const n = ++this.#tag
    const bad = world.chance() < 0.07 ? { bad: true } : {}
    if (kind < 0.3 || rows.length === 0) {
      return this.#do({ tag: n, list, action: 'create', row: undefined }, () =>
        list.collection.create({ g: 'A', x: n, y: 0, c: n, n, ...bad }),
      )
    }
    const row = world.pick(rows)
    if (kind >= 0.88) {
      return this.#do({ tag: n, list, action: 'delete', row }, () => list.collection.delete(row))
    }
    const field = world.pick(['x', 'x', 'y', 'g'] as const)
    const data = field === 'g' ? { g: world.pick(GROUPS) } : { [field]: 10_000 + n }
    const expect =
      field !== 'g' && !row.$pending && world.chance() < 0.4 ? { [field]: row[field] } : undefined
    // A dragged slider: several in a row.
    for (let drag = world.chance() < 0.3 ? 2 : 0; drag > 0; drag--) {
      const tag = ++this.#tag
      this.#do({ tag, list, action: 'update', row }, () => list.collection.update(row, { ...data, n: tag }))
    }
    const tag = ++this.#tag
    this.#do({ tag, list, action: 'update', row }, () =>
      list.collection.update(row, { ...data, n: tag, ...bad }, expect && { expect }),
    )
  }

  #do(of: Pick<Deed, 'tag' | 'list' | 'action' | 'row'>, run: () => Promise<{ pk: number | string }>): void {
    const deed: Deed = { ...of, outcome: 'open', pk: undefined }
    this.deeds.push(deed)
    this.world.say(
      `user: ${deed.action} ${deed.tag} of ${deed.row ? show([deed.row]) : '-'} in ${deed.list.view}`,
    )
    run().then(
      ({ pk }) => {
        deed.outcome = 'done'
        deed.pk = Number(pk)
        this.guard(() => deed.list.settled(deed))
      },
      (error: { code: string }) => {
        deed.outcome = error.code
      },
    )
  }

  /** A fault found where throwing would reach the client instead of the test. */
  guard(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.faults.push(error)
    }
  }

  /** A change that names a write settles it: there is no waiting for the ack. */
  expectSettled(list: List, refs: string[]): void {
    for (const ref of refs) {
      const tag = this.world.tags.get(ref)
      const open = this.deeds.some(deed => deed.tag === tag && deed.list === list && deed.outcome === 'open')
      if (open) this.world.fault(`the change of ${tag} has come, and it is still pending`)
    }
  }

  /** All is quiet: what the lists show is what the query says, and each deed had the effect it was told to have. */
  judge(): void {
    const { world } = this
    for (const list of this.lists) {
      const groups = (VIEWS[list.view] ?? []).filter(group => world.access.includes(group))
      const want = [...world.db.rows]
        .filter(([, item]) => groups.includes(item.g))
        .toSorted(([a], [b]) => a - b)
      const have = list.collection.rows
        .map(({ $key, $pk, $pending, ...item }) => [$pk, $pending ? `${$key} is pending` : item])
        .toSorted(([a], [b]) => Number(a) - Number(b))
      const [wanted, had] = [want, have].map(rows =>
        JSON.stringify(rows.map(([pk, item]) => [pk, sorted(item)])),
      )
      if (wanted !== had) world.fault(`${list.view} ends wrong:\n${had}\ninstead of\n${wanted}`)
    }
    for (const { tag, outcome, action } of this.deeds) {
      const effects = world.db.journal.filter(entry => entry.own && entry.tag === tag).length
      if (outcome === 'open') world.fault(`${action} ${tag} has no answer`)
      if (effects > 1) world.fault(`${action} ${tag} was done ${effects} times`)
      if (outcome === 'done' && action === 'create' && effects !== 1)
        world.fault(`create ${tag}: resolved and not there`)
      if (outcome !== 'done' && effects > 0)
        world.fault(`${action} ${tag}: rejected with ${outcome}, yet done`)
    }
    const newest = new Map<number, number>()
    for (const { pk, tag } of world.db.journal) {
      if (tag === undefined) continue
      if (tag < (newest.get(pk) ?? 0)) world.fault(`edit ${tag} of pk ${pk} came after ${newest.get(pk)}`)
      newest.set(pk, tag)
    }
  }
}

const sorted = (item: unknown) =>
  typeof item === 'object' && item ? Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)) : item

/** Live through the moves, wait until all is quiet, and look. Throws what went wrong, with the last of what happened. */
export async function live(moves: readonly number[]): Promise<World> {
  const person = new Person()
  const { world, lists } = person
  const { browser } = world
  for (const list of lists) list.open()
  for (const seed of moves) await move(person, chanceFrom(seed), false)
  world.say('== quiet')
  for (const list of lists) list.open()
  const chance = chanceFrom(moves.length)
  for (let count = 0; await move(person, chance, true); count++) {
    if (count > 4000) world.fault('never quiet')
  }
  person.judge()
  person.socket.close()
  if (browser.timers > 3) world.fault(`${browser.timers} timers are left after close`)
  return world
}

async function move(person: Person, chance: () => number, quiet: boolean): Promise<boolean> {
  const { world, lists } = person
  const { browser } = world
  world.chance = chance
  const wire = browser.wires.at(-1)
  const { connection } = world
  if (connection && connection.wire.closed) {
    world.cut(true) // the browser hung up
    return true
  }
  const calm =
    connection !== undefined &&
    lists.every(({ collection }) => collection.status === 'live') &&
    person.deeds.every(({ outcome }) => outcome !== 'open')
  let named: [List, string[]] | undefined
  const options: [weight: number, run: () => void][] = []
  const may = (weight: number, run: () => void) => options.push([weight, run])
  if (wire && !wire.opened && !wire.closed) may(4, () => world.accept())
  if (connection && connection.wire.sent.length > 0) {
    may(6, () => connection.received.push(...connection.wire.sent.splice(0, 1)))
  }
  if (connection && connection.down.length > 0) {
    may(6, () => {
      const frame = connection.down.shift()
      if (!frame) return
      world.say('  ←', frame)
      const list = lists.find(
        ({ view, collection }) => view === frame.params?.view && collection.status === 'live',
      )
      connection.wire.tell(frame)
      if (list) named = [list, [frame, ...(frame.payload.changes ?? [])].flatMap(({ refs }) => refs ?? [])]
    })
  }
  const { runnable } = world
  if (runnable.length > 0) may(10, () => world.step(world.pick(runnable)))
  if (options.length === 0 && !calm) may(1, () => browser.pass(20_000))
  if (!quiet) {
    may(1.5, () => world.outsider())
    may(2, () => void person.act())
    may(0.3, () => browser.pass(1_000))
    may(0.1, () => browser.pass(20_000))
    may(0.1, () => world.reset())
    may(0.04, () => {
      world.db.floor = Math.max(world.db.floor, Math.floor(chance() * (world.db.end + 1)))
      world.say(`-- pruned to ${world.db.floor}`)
    })
    may(0.12, () => {
      const list = world.pick(lists)
      world.say(`-- ${list.view} ${list.stop ? 'left' : 'opened'}`)
      if (!list.stop) return list.open()
      list.stop()
      list.stop = undefined
      if (chance() < 0.7) {
        browser.pass(1_000)
        list.open()
      }
    })
    if (connection) may(0.3, () => world.cut(chance() < 0.8))
    else {
      may(0.2, () => {
        world.access = world.access.includes('B') ? ['A'] : ['A', 'B']
        world.accessChanged = true
        world.say(`-- access now ${world.access}`)
      })
    }
  }
  if (options.length === 0) return false
  let point = chance() * options.reduce((sum, [weight]) => sum + weight, 0)
  const [, run] = options.find(([weight]) => (point -= weight) < 0) ?? options[0] ?? []
  run?.()
  await turn()
  if (named) person.expectSettled(...named)
  if (person.faults.length > 0) throw person.faults[0]
  return true
}
