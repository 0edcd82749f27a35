/** The keys and the clicks of a table by the ARIA grid pattern, as in a spreadsheet: one tab stop, arrows from cell to cell.
 *
 *  It moves the focus only where its person sends it, and never because of what others do: who loses the row they are on
 *  stands on the one that took its place.
 */

export interface Beginning {
  /** What is typed takes the place of what is there. */
  replace?: boolean
  /** `mouse`, `touch` or `pen`, if it was not a key. */
  pointer?: string
}

/** What is done to a cell. */
export interface Hands {
  edit(cell: HTMLElement, how: Beginning): void
  clear(cell: HTMLElement): void
  undo(cell: HTMLElement): void
  /** Its row changes places with the one above (-1) or below (1). */
  shift(cell: HTMLElement, by: number): void
  /** One of its buttons is pressed. */
  press(button: HTMLButtonElement, cell: HTMLElement): void
}

/** Rows down and columns to the right. */
const STEPS: Record<string, readonly [number, number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  PageUp: [-10, 0],
  PageDown: [10, 0],
}

const FAR = 1_000_000 // more than there are

const CELL = '[role=gridcell], [role=rowheader]'

export class Grid {
  readonly #body: HTMLTableSectionElement
  readonly #hands: Hands
  #row = 0
  #column = 0
  #stop: HTMLElement | undefined

  constructor(body: HTMLTableSectionElement, hands: Hands) {
    this.#body = body
    this.#hands = hands
    body.addEventListener('focusin', ({ target }) => {
      const cell = cellOf(target)
      if (cell) this.#mark(cell)
    })
    body.addEventListener('keydown', event => this.#press(event))
    this.#followPointer()
    this.settle()
  }

  /** The cell `rows` down and `columns` to the right has the focus; at the edge, the last one there is. */
  step(rows: number, columns: number): void {
    this.#go(this.#row + rows, this.#column + columns)
  }

  /** The cell has the focus. */
  select(cell: HTMLElement | null | undefined): void {
    if (cell) stopIn(cell).focus()
  }

  /** The rows stand in this order. The one with the focus stays where it is, the others are put around it. */
  arrange(lines: readonly HTMLElement[]): void {
    const at = Math.max(
      0,
      lines.findIndex(line => line.contains(document.activeElement)),
    )
    const anchor = lines[at]
    if (!anchor) return
    if (!anchor.isConnected) this.#body.prepend(anchor)
    let next = anchor
    for (const line of lines.slice(0, at).toReversed()) {
      if (next.previousElementSibling !== line) next.before(line)
      next = line
    }
    let last = anchor
    for (const line of lines.slice(at + 1)) {
      if (last.nextElementSibling !== line) last.after(line)
      last = line
    }
  }

  /** Rows have come, gone or moved: there is still one tab stop, and who was in a row that is gone has not lost the place.
   *  `focused`: the focus was in the table before. */
  settle(focused = false): void {
    const cell = cellOf(this.#stop)
    if (cell && this.#body.contains(cell)) return this.#mark(cell)
    const row = this.#body.rows[Math.min(this.#row, this.#body.rows.length - 1)]
    const next = row?.cells[this.#column]
    if (!next) return
    this.#mark(next)
    if (focused) stopIn(next).focus({ preventScroll: true })
  }

  #mark(cell: HTMLElement): void {
    const row = cell.closest('tr')
    if (!row || !(cell instanceof HTMLTableCellElement)) return
    this.#row = row.sectionRowIndex
    this.#column = cell.cellIndex
    const stop = stopIn(cell)
    if (this.#stop !== stop && this.#stop) this.#stop.tabIndex = -1
    this.#stop = stop
    stop.tabIndex = 0
  }

  #go(row: number, column: number): void {
    const { rows } = this.#body
    const { cells } = rows[within(row, rows.length)] ?? {}
    this.select(cells?.[within(column, cells.length)])
  }

  #followPointer(): void {
    let down: HTMLElement | null = null
    let pointer = ''
    this.#body.addEventListener('pointerdown', ({ target, pointerType }) => {
      down = cellOf(target)
      pointer = pointerType
    })
    this.#body.addEventListener('click', ({ target }) => {
      // When an editor is left, what is below it may have moved away from under the pointer since it was down.
      const cell = cellOf(target) ?? down
      if (!cell || !(target instanceof Element)) return
      const button = target.closest('button')
      if (button) this.#hands.press(button, cell)
      else if (!isReading(target)) this.#hands.edit(cell, { pointer })
    })
  }

  #press(event: KeyboardEvent): void {
    const cell = cellOf(event.target)
    // In an editor, and on the buttons of a note, keys are theirs.
    if (!cell || event.target !== stopIn(cell) || event.isComposing) return
    const act = this.#actOf(event, cell)
    if (!act) return
    act()
    if (!types(event)) event.preventDefault() // else it goes into the editor that has just opened
  }

  #actOf(event: KeyboardEvent, cell: HTMLElement): (() => void) | undefined {
    const { key, altKey } = event
    const control = event.ctrlKey || event.metaKey
    if (altKey) {
      if (key === 'ArrowUp') return () => this.#hands.shift(cell, -1)
      return key === 'ArrowDown' ? () => this.#hands.shift(cell, 1) : undefined
    }
    const [rows, columns] = STEPS[key] ?? [0, 0]
    const far = control ? FAR : 1
    if (rows !== 0 || columns !== 0) return () => this.step(rows * far, columns * far)
    if (key === 'Home') return () => this.#go(control ? 0 : this.#row, 0)
    if (key === 'End') return () => this.#go(control ? FAR : this.#row, FAR)
    if (cell.dataset['field'] === undefined) return undefined // the rest is the button's own
    if (key === 'Enter' || key === 'F2') return () => this.#hands.edit(cell, {})
    if (key === 'Delete' || key === 'Backspace') return () => this.#hands.clear(cell)
    if (key === 'Escape') return () => this.#hands.undo(cell)
    return types(event) ? () => this.#hands.edit(cell, { replace: true }) : undefined
  }
}

export function cellOf(target: unknown): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>(CELL) : null
}

/** What has the focus when the cell has it: the button, in a cell that is nothing else. */
const stopIn = (cell: HTMLElement): HTMLElement => cell.querySelector<HTMLElement>(':scope > button') ?? cell

/** Whether the key is a character, or the beginning of one: an accent, an input method. */
const types = ({ key, ctrlKey, metaKey }: KeyboardEvent): boolean =>
  !ctrlKey && !metaKey && (key.length === 1 || key === 'Dead' || key === 'Process')

/** Whether somebody only marks text, to copy it. */
const isReading = (target: Element): boolean =>
  target.closest('.note') !== null || getSelection()?.type === 'Range'

const within = (index: number, length: number): number => Math.max(0, Math.min(index, length - 1))
