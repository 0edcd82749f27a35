/** Where a row stands among others: a number between those of its neighbours. */

interface Placed {
  readonly position: number
}

/** Return the positions to write so that `rows[from]` stands at `to`: its own; where no number is left between its
 *  neighbours, those of some rows around it, too. */
export function move<R extends Placed>(
  rows: readonly R[],
  from: number,
  to: number,
): (readonly [R, number])[] {
  const row = rows[from]
  if (!row) return []
  const others = rows.toSpliced(from, 1)
  for (let reach = 1; ; reach++) {
    const between = [
      ...others.slice(Math.max(0, to - reach + 1), to),
      row,
      ...others.slice(to, to + reach - 1),
    ]
    const [below, above] = [others[to - reach]?.position, others[to + reach - 1]?.position]
    const start = below ?? (above === undefined ? 0 : above - between.length - 1)
    const end = above ?? start + between.length + 1
    const step = (end - start) / (between.length + 1)
    const places = between.map((one, index) => [one, start + step * (index + 1)] as const)
    const all = [start, ...places.map(([, position]) => position), end]
    if (all.every((position, index) => index === 0 || position > (all[index - 1] ?? 0))) return places
  }
}
