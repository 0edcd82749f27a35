/** What a task is, and how each of its fields is shown and typed. Its twin is backend/live_edit/models.py. */

import type { Row } from 'channels-databinding'

export interface Task {
  title: string
  owner: number | null
  status: string
  /** 2026-12-31 */
  due: string | null
  notes: string
  position: number
}

export type TaskRow = Row<Task>

export const FIELDS = ['title', 'owner', 'status', 'due', 'notes'] as const
export type Field = (typeof FIELDS)[number]
export type Value = Task[Field]

/** What Delete leaves in a cell. A status there always is. */
export const NOTHING: Partial<Record<Field, Value>> = {
  title: '',
  owner: null,
  due: null,
  notes: '',
}

/** The task of a row, without what the row knows beside it. */
export const taskOf = ({ title, owner, status, due, notes, position }: Task): Task => ({
  title,
  owner,
  status,
  due,
  notes,
  position,
})

export const isField = (name: string | undefined): name is Field => FIELDS.some(field => field === name)

/** A copy of what the page has under `id`, in a `<template>`. */
export function copy(id: string): HTMLElement {
  const template = document.getElementById(id)
  const element = template instanceof HTMLTemplateElement ? template.content.firstElementChild : null
  if (!(element instanceof HTMLElement)) throw new Error(`The page has no template "${id}".`)
  return document.importNode(element, true)
}

/** What stands in the cell. */
export function words(field: Field, value: Value): string {
  if (value === null || value === '') return ''
  if (field === 'due') return date(String(value))
  if (field === 'owner' || field === 'status') return labels(field).get(String(value)) ?? `#${value}`
  return String(value)
}

/** What was typed into the editor of a field, and back. */
export const read = (field: Field, text: string): Value => {
  if (field === 'owner') return text === '' ? null : Number(text)
  return field === 'due' && text === '' ? null : text
}

export const typed = (value: Value): string => (value === null ? '' : String(value))

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** As Django's `date:"j M Y"` prints it. */
const date = (iso: string): string => {
  const [year, month, day] = iso.split('-').map(Number)
  return `${day} ${MONTHS[(month ?? 1) - 1]} ${year}`
}

const known = new Map<Field, Map<string, string>>()

/** What the choices of a field are called. */
function labels(field: Field): Map<string, string> {
  const before = known.get(field)
  if (before) return before
  const options = [...copy(`edit-${field}`).querySelectorAll('option')]
  const all = new Map(options.map(({ value, text }) => [value, text]))
  known.set(field, all)
  return all
}
