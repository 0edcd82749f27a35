/** Live edit: the tasks in a table, and sliders. Its HTML is live-edit.html, and backend/live_edit/bindings.py decides who
 *  sees and writes what.
 */

import Alpine from '@alpinejs/csp'
import { connect } from 'channels-databinding'
import live from 'channels-databinding/alpine'
import connectionStatus from './connection-status.ts'
import frames, { OverheardSocket } from './frames.ts'
import { type Doing, show, tellFocus } from './live-edit/cells.ts'
import { move } from './live-edit/positions.ts'
import people from './people.ts'
import sliders from './live-edit/sliders.ts'
import { carried } from './snapshot.ts'
import { Table } from './live-edit/table.ts'
import type { Task, TaskRow } from './live-edit/tasks.ts'
import { reason } from './words.ts'

const socket = connect('/ws/live-edit/', { WebSocket: OverheardSocket })
const tasks = socket.collection<Task>('tasks', { order: 'position', initial: carried('tasks') })
const others = socket.presence<Doing>('tasks')
const values = socket.collection('intval', { initial: carried('intval') })

Alpine.plugin(live(socket))
Alpine.plugin(connectionStatus)
Alpine.plugin(frames)
Alpine.plugin(people('tasks', 'here'))
Alpine.plugin(sliders)

let table: Table | undefined // not in the data: Alpine would watch all of it
let doomed: TaskRow | undefined

Alpine.data('tasks', () => ({
  status: tasks.status,
  count: tasks.rows.length,
  problem: '',
  /** For those who do not see it. */
  said: '',
  doomed: '',

  init() {
    const grid = this.$refs['table']
    const body = grid instanceof HTMLTableElement ? grid.tBodies[0] : undefined
    if (!grid || !body) return
    table = new Table(body, tasks, {
      writable: grid.ariaReadOnly !== 'true',
      say: text => (this.said = text),
      shift: (row, by) => this.shift(row, by),
      remove: row => this.ask(row),
      add: task => this.create(task),
      drafted: () => this.look(),
    })
    tasks.subscribe(() => this.look())
    tasks.subscribe(() => show(body, tasks.rows, others.people))
    others.subscribe(() => show(body, tasks.rows, others.people))
    tellFocus(
      body,
      $key => tasks.rows.find(row => row.$key === $key)?.$pk,
      doing => others.set(doing),
    )
    values.subscribe(() => this.look())
    window.addEventListener('beforeunload', event => this.$store.unsent.count > 0 && event.preventDefault())
  },

  look() {
    this.status = tasks.status
    this.count = tasks.rows.length
    this.problem = tasks.error?.message ?? this.problem
    const written = tasks.rows.filter(row => row.$pending).map(row => row.$key)
    const unsent = new Set([...written, ...(table?.unsent ?? [])])
    this.$store.unsent.count = unsent.size + values.rows.filter(row => row.$pending).length
  },

  isEmpty() {
    return this.status === 'live' && this.count === 0
  },

  /** A task is there, and its title is being written. */
  add() {
    const position = (tasks.rows.at(-1)?.position ?? 0) + 1
    const row = this.create({
      title: 'New task',
      owner: null,
      status: 'to do',
      due: null,
      notes: '',
      position,
    })
    if (row) table?.begin(row)
  },

  create(task: Task) {
    const before = new Set(tasks.rows.map(({ $key }) => $key))
    void this.write(tasks.create(task))
    return tasks.rows.find(({ $key }) => !before.has($key))
  },

  shift(row: TaskRow, by: number) {
    const from = tasks.rows.findIndex(({ $key }) => $key === row.$key)
    const to = from + by
    if (from < 0 || to < 0 || to >= tasks.rows.length) return
    for (const [one, position] of move(tasks.rows, from, to)) void this.write(tasks.update(one, { position }))
  },

  ask(row: TaskRow) {
    doomed = row
    this.doomed = row.title
    const dialog = this.$refs['delete']
    if (dialog instanceof HTMLDialogElement) dialog.showModal()
  },

  remove() {
    if (!doomed) return
    table?.drop(doomed)
    void this.write(tasks.delete(doomed))
  },

  /** Where the dialog was opened there may be nothing any more. */
  back() {
    table?.focus()
  },

  async write(answer: Promise<unknown>) {
    this.problem = ''
    try {
      await answer
    } catch (error) {
      this.problem = reason(error)
    }
  },
}))

Alpine.start()
