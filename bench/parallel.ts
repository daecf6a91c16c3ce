/** Runs `work` for each of `list`, `at` of them at a time. */
export async function parallel<Item>(
  list: Iterable<Item>,
  at: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = list[Symbol.iterator]();
  const worker = async () => {
    for (let next = left.next(); next.done !== true; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: at }, worker));
}
