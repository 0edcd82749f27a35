/** Where the others are in the table: each cell that somebody is in has their name and their colour. */

import type { Person } from 'channels-databinding'
import { colour, named } from '../people.ts'
import type { Field, TaskRow } from './tasks.ts'

/** What somebody does in the table: the cell they are in, if they are in one. */
export interface Doing {
  pk?: number | string
  field?: Field
}

/** The cell that the focus is in is told. `doing` says which task a row is. */
export function tellFocus(
  body: HTMLElement,
  pkOf: ($key: string) => Doing['pk'],
  set: (doing: Doing) => void,
): void {
  const look = () => {
    const cell = document.activeElement?.closest<HTMLElement>('[data-field]')
    const pk = cell && body.contains(cell) ? pkOf(cell.closest('tr')?.dataset['key'] ?? '') : undefined
    set(pk === undefined ? {} : { pk, field: cell?.dataset['field'] as Field })
  }
  body.addEventListener('focusin', look)
  body.addEventListener('focusout', ({ relatedTarget }) => {
    // Who looks at another window is still in the cell.
    if (relatedTarget || document.hasFocus()) setTimeout(look)
  })
}

/** The cells show who is in them. */
export function show(body: HTMLElement, rows: readonly TaskRow[], people: readonly Person<Doing>[]): void {
  const there = new Map<HTMLElement, { names: string[]; colour: number }>()
  for (const person of people) {
    const name = person.isMe ? 'You, in another tab' : named(person)
    for (const { pk, field } of person.states) {
      const row = pk === undefined ? undefined : rows.find(({ $pk }) => String($pk) === String(pk))
      if (!row || !field) continue
      const line = `[data-key="${CSS.escape(row.$key)}"]`
      const cell = body.querySelector<HTMLElement>(`${line} [data-field="${CSS.escape(field)}"]`)
      if (!cell) continue
      const before = there.get(cell)
      if (before) before.names.push(name)
      else there.set(cell, { names: [name], colour: colour(person) })
    }
  }
  for (const cell of body.querySelectorAll<HTMLElement>('[data-here]')) {
    if (there.has(cell)) continue
    delete cell.dataset['here']
    delete cell.dataset['colour']
    cell.removeAttribute('aria-description')
  }
  for (const [cell, { names, colour: number }] of there) {
    cell.dataset['here'] = names.join(', ')
    cell.dataset['colour'] = String(number)
    cell.setAttribute('aria-description', `Here now: ${names.join(', ')}`)
  }
}
