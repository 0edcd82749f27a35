/** The one input of the table, in the cell that is being written. What is typed goes to the cell's draft. */

import type { TaskDraft } from './drafts.ts'
import { copy, type Field, read, typed, type Value } from './tasks.ts'

/** Where the keys in an editor lead. */
export interface Ways {
  /** What is typed stays, and the focus goes on: down and to the right. */
  leave(rows: number, columns: number): void
  /** What is typed is taken back. */
  cancel(): void
  /** The focus has gone elsewhere. */
  blur(): void
}

type Input = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

export class Editor {
  readonly cell: HTMLElement
  readonly draft: TaskDraft
  readonly #field: Field
  readonly #input: Input
  readonly #ways: Ways
  readonly #listening = new AbortController()

  constructor(cell: HTMLElement, field: Field, draft: TaskDraft, ways: Ways) {
    this.cell = cell
    this.draft = draft
    this.#field = field
    this.#ways = ways
    this.#input = copy(`edit-${field}`) as Input
    const { signal } = this.#listening
    this.#input.addEventListener('input', () => this.#type(), { signal })
    this.#input.addEventListener('keydown', event => this.#press(event as KeyboardEvent), { signal })
    cell.addEventListener('focusout', event => this.#look(event), { signal })
    cell.dataset['editing'] = ''
    cell.querySelector('.text')?.after(this.#input)
    this.show()
  }

  /** It has the focus. `replace`: with nothing in it, so that the key just pressed is the first; else all is selected if
   *  `select`, or the cursor is at the end. */
  focus({ replace = false, select = false } = {}): void {
    const input = this.#input
    input.focus()
    if (input instanceof HTMLSelectElement || input.type === 'date') return
    if (replace) input.value = ''
    else input.setSelectionRange(select ? 0 : input.value.length, input.value.length)
  }

  /** The list is open, so that one click is enough; and on a touch screen the calendar, which elsewhere would take the
   *  keys away from the date. */
  pick(pointer: string): void {
    const input = this.#input
    if (input instanceof HTMLTextAreaElement) return
    if (!(input instanceof HTMLSelectElement) && !(input.type === 'date' && pointer === 'touch')) return
    try {
      input.showPicker()
    } catch {
      // The browser wants a click of its own for it.
    }
  }

  /** It says what the draft says. */
  show(): void {
    const { value, state } = this.draft.value
    const input = this.#input
    const half = input.validity.badInput // a date that is being typed
    if (!half && read(this.#field, input.value) !== value) this.#fill(value)
    input.ariaInvalid = String(state === 'refused')
    const note = this.cell.querySelector('.note p')
    if (note) input.setAttribute('aria-describedby', note.id)
    else input.removeAttribute('aria-describedby')
  }

  close(): void {
    this.#listening.abort()
    this.#input.remove()
    delete this.cell.dataset['editing']
  }

  #fill(value: Value): void {
    const input = this.#input
    const text = typed(value)
    // An owner who was not there when the page was made.
    if (input instanceof HTMLSelectElement && ![...input.options].some(option => option.value === text))
      input.add(new Option(`#${text}`, text))
    input.value = text
  }

  #type(): void {
    if (!this.#input.validity.badInput) this.draft.type(read(this.#field, this.#input.value))
  }

  #press(event: KeyboardEvent): void {
    const { key, shiftKey } = event
    if (event.isComposing) return
    const newLine = shiftKey && this.#input instanceof HTMLTextAreaElement
    // While something is to be decided here, Tab leads to the buttons.
    const decide = !shiftKey && this.cell.querySelector('.note') !== null
    if (key === 'Enter' && !newLine) this.#ways.leave(shiftKey ? -1 : 1, 0)
    else if (key === 'Tab' && !decide) this.#ways.leave(0, shiftKey ? -1 : 1)
    else if (key === 'Escape') this.#ways.cancel()
    else return
    event.preventDefault()
  }

  #look({ relatedTarget }: FocusEvent): void {
    if (relatedTarget instanceof Node && this.cell.contains(relatedTarget)) return
    // Another window has the focus, and this place will have it again.
    if (document.hasFocus()) this.#ways.blur()
    else this.draft.send()
  }
}
