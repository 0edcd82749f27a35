/** What is to be said of a cell, beside what was typed: somebody else has written, the server refuses, the row is gone. */

import { reason } from '../words.ts'
import type { TaskDraft } from './drafts.ts'
import { copy, type Field, words } from './tasks.ts'

/** What the buttons of a note do to its draft, by their `data-do`. */
export const DECISIONS: Record<string, (draft: TaskDraft) => void> = {
  take: draft => draft.takeTheirs(),
  keep: draft => draft.keepMine(),
  undo: draft => draft.revert(),
  retry: draft => draft.send(),
}

const INPUT = 'input, select, textarea'

let count = 0

/** The cell has the note that its draft asks for, or none. Returns what is new, in words. */
export function annotate(cell: HTMLElement, field: Field, draft: TaskDraft | undefined): string {
  const { state, theirs = null, error } = draft?.value ?? { state: 'clean' }
  const there = cell.querySelector<HTMLElement>('.note')
  cell.dataset['state'] = state
  // Somebody may be on its buttons: it stays as long as it is of the same kind, and the focus stays in the cell.
  if (there && there.dataset['kind'] !== state) {
    if (there.contains(document.activeElement)) (cell.querySelector<HTMLElement>(INPUT) ?? cell).focus()
    there.remove()
  }
  if (state !== 'conflict' && state !== 'refused' && state !== 'gone') return ''
  const note = there?.isConnected ? there : copy(`note-${state}`)
  if (note !== there) {
    note.dataset['kind'] = state
    cell.append(note)
  }
  // What was not valid is not valid the second time.
  const retry = note.querySelector<HTMLElement>('[data-do=retry]')
  if (retry) retry.hidden = error?.code === 'invalid'
  const sentence = note.querySelector('p')
  if (!sentence) return ''
  sentence.id ||= `note-${++count}`
  const text = sentenceFor(state, words(field, theirs), error)
  if (sentence.textContent === text) return ''
  sentence.textContent = text
  return `${cell.dataset['label']}: ${text}`
}

function sentenceFor(state: 'conflict' | 'refused' | 'gone', theirs: string, error: unknown): string {
  if (state === 'refused') return reason(error)
  if (state === 'gone') return 'Deleted by somebody else. What you typed is still here.'
  return theirs ? `Somebody else wrote “${theirs}”.` : 'Somebody else has emptied this.'
}
