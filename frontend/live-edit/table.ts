/** The tasks as rows of a table, and what is being typed into them.
 *
 *  Drawn by hand and not by Alpine, for one reason: a browser takes the focus from an element that is moved. Here others
 *  move around the row that has it. It also makes 500 rows cheap.
 */

import type { Collection } from 'channels-databinding'
import { Drafts, type TaskDraft } from './drafts.ts'
import { Editor } from './editor.ts'
import { type Beginning, Grid } from './grid.ts'
import { annotate, DECISIONS } from './note.ts'
import {
  copy,
  type Field,
  FIELDS,
  isField,
  NOTHING,
  type Task,
  taskOf,
  type TaskRow,
  typed,
  words,
} from './tasks.ts'

/** What the page around the table does. */
export interface Page {
  readonly writable: boolean
  /** Said to who cannot see it. */
  say(text: string): void
  /** The row changes places with the one above (-1) or below (1). */
  shift(row: TaskRow, by: number): void
  /** The row is to be deleted: ask first. */
  remove(row: TaskRow): void
  /** A task like this one is added. Returns its row. */
  add(task: Task): TaskRow | undefined
  /** What waits to be sent has changed. */
  drafted(): void
}

export class Table {
  readonly #page: Page
  readonly #body: HTMLTableSectionElement
  readonly #grid: Grid
  readonly #lines = new Map<string, HTMLTableRowElement>() // by key
  readonly #drafts: Drafts
  #rows = new Map<string, TaskRow>() // by key, in order
  #editor: Editor | undefined

  /** Takes over the rows that are printed in the body. */
  constructor(body: HTMLTableSectionElement, collection: Collection<Task>, page: Page) {
    this.#body = body
    this.#page = page
    this.#drafts = new Drafts(collection, ($key, field) => {
      this.#show($key, field)
      page.drafted()
      if (!this.#drafts.has($key)) this.#draw(collection.rows) // nothing keeps a row that is gone
    })
    for (const line of body.rows) this.#lines.set(line.dataset['key'] ?? '', line)
    this.#grid = new Grid(body, {
      edit: (cell, how) => this.#edit(cell, how),
      clear: cell => this.#clear(cell),
      undo: cell => this.#draftIn(cell)?.revert(),
      shift: (cell, by) => this.#page.shift(this.#rowIn(cell), by),
      press: (button, cell) => this.#do(button, cell),
    })
    body.addEventListener('animationend', ({ target }) => {
      if (target instanceof HTMLElement) delete target.dataset['changed']
    })
    collection.subscribe(rows => this.#draw(rows))
  }

  /** See `Drafts`. */
  get unsent(): string[] {
    return this.#drafts.unsent
  }

  /** What is typed into the row is given up. */
  drop({ $key }: TaskRow): void {
    if (this.#editor && keyOf(this.#editor.cell) === $key) this.#close()
    this.#drafts.drop($key)
  }

  /** The title of the row is being written. */
  begin({ $key }: TaskRow): void {
    const cell = this.#lines.get($key)?.cells[0]
    if (cell) this.#edit(cell, { select: true })
  }

  /** The focus is where it last was in the table. */
  focus(): void {
    this.#grid.step(0, 0)
  }

  // ---- rows

  #draw(rows: readonly TaskRow[]): void {
    const focused = this.#body.contains(document.activeElement)
    const before = this.#rows
    this.#rows = new Map(rows.map(row => [row.$key, row]))
    // A row that is gone stays for as long as something is typed into it.
    const left = this.#drafts.keys.flatMap($key => (this.#rows.has($key) ? [] : [before.get($key)]))
    for (const row of left) if (row) this.#rows.set(row.$key, row)
    const all = [...this.#rows.values()]
    if (left.length > 0) all.sort((a, b) => a.position - b.position)
    for (const [$key, line] of this.#lines) {
      if (this.#rows.has($key)) continue
      line.remove()
      this.#lines.delete($key)
    }
    this.#grid.arrange(all.map(row => this.#line(row)))
    for (const row of all) if (row !== before.get(row.$key)) this.#fill(row, before.get(row.$key))
    this.#grid.settle(focused)
  }

  #line({ $key, $pending }: TaskRow): HTMLTableRowElement {
    const there = this.#lines.get($key)
    if (there) return there
    const line = copy('task') as HTMLTableRowElement
    line.dataset['key'] = $key
    this.#lines.set($key, line)
    if (!$pending) flash(line)
    return line
  }

  #fill(row: TaskRow, before: TaskRow | undefined): void {
    const { $key, $pending } = row
    this.#lines.get($key)?.toggleAttribute('data-pending', $pending)
    for (const field of FIELDS) {
      if (before && before[field] === row[field]) continue
      const cell = this.#show($key, field)
      if (cell && before && !$pending && !this.#drafts.get($key, field)) flash(cell)
    }
  }

  /** The cell shows what is typed into it, or what the row says. */
  #show($key: string, field: Field): HTMLElement | undefined {
    const [row, cell] = [this.#rows.get($key), this.#lines.get($key)?.cells[FIELDS.indexOf(field)]]
    if (!row || !cell) return undefined
    const draft = this.#drafts.get($key, field)
    const text = words(field, draft ? draft.value.value : row[field])
    const span = cell.querySelector('.text')
    if (span && span.textContent !== text) span.textContent = text
    const news = annotate(cell, field, draft)
    if (this.#editor?.cell === cell) this.#editor.show()
    if (news) this.#page.say(news)
    return cell
  }

  // ---- writing

  #edit(cell: HTMLElement, how: Beginning & { select?: boolean } = {}): void {
    const field = cell.dataset['field']
    if (!this.#page.writable || !isField(field) || cell === this.#editor?.cell) return
    this.#close()
    const draft = this.#drafts.begin(this.#rowIn(cell), field)
    this.#editor = new Editor(cell, field, draft, {
      leave: (rows, columns) => {
        this.#close()
        this.#grid.step(rows, columns)
      },
      cancel: () => {
        draft.revert()
        this.#close()
        this.#grid.select(cell)
      },
      blur: () => this.#close(),
    })
    this.#editor.focus(how)
    if (how.pointer) this.#editor.pick(how.pointer)
  }

  /** What was typed is sent; what cannot be yet stays in its cell. */
  #close(): void {
    const editor = this.#editor
    this.#editor = undefined
    editor?.close()
    if (editor) this.#drafts.leave(editor.draft)
  }

  #clear(cell: HTMLElement): void {
    const field = cell.dataset['field']
    if (!this.#page.writable || !isField(field)) return
    const nothing = NOTHING[field]
    if (nothing === undefined) return
    const draft = this.#drafts.begin(this.#rowIn(cell), field)
    draft.type(nothing)
    this.#drafts.leave(draft)
  }

  // ---- buttons

  #do(button: HTMLButtonElement, cell: HTMLElement): void {
    const row = this.#rowIn(cell)
    const draft = this.#draftIn(cell)
    const what = button.dataset['do'] ?? ''
    if (what === 'up') this.#page.shift(row, -1)
    if (what === 'down') this.#page.shift(row, 1)
    if (what === 'delete') this.#page.remove(row)
    if (draft) DECISIONS[what]?.(draft)
    if (what === 'copy') void this.#copy(button, cell)
    if (what === 'dismiss') this.drop(row)
    if (what === 'again') {
      const made = this.#page.add(taskOf({ ...row, ...this.#drafts.typedInto(row.$key) }))
      this.drop(row)
      this.#grid.select(made && this.#lines.get(made.$key)?.cells[0])
    }
  }

  async #copy(button: HTMLButtonElement, cell: HTMLElement): Promise<void> {
    try {
      await navigator.clipboard.writeText(typed(this.#draftIn(cell)?.value.value ?? null))
      button.textContent = 'Copied'
    } catch {
      // Browsers have no clipboard for pages that come by plain http: it is selected, to be copied by hand.
      this.#edit(cell)
      this.#editor?.focus({ select: true })
    }
  }

  #rowIn(cell: HTMLElement): TaskRow {
    const row = this.#rows.get(keyOf(cell))
    if (!row) throw new Error('The cell belongs to no row.')
    return row
  }

  #draftIn(cell: HTMLElement): TaskDraft | undefined {
    const field = cell.dataset['field']
    return isField(field) ? this.#drafts.get(keyOf(cell), field) : undefined
  }
}

const keyOf = (cell: HTMLElement) => cell.closest('tr')?.dataset['key'] ?? ''

/** What others have changed is seen for a moment. Another name begins another animation: what others type is many changes. */
function flash(cell: HTMLElement): void {
  cell.dataset['changed'] = cell.dataset['changed'] === 'once' ? 'again' : 'once'
}
