/**
 * Loaded into servers before all else (`node --import`): what they do some times a day, an hour or more from now, they do
 * 360 times as often, retention each minute instead of each six hours. What is due sooner keeps its time, and so does the
 * clock: a message is a day old after a day.
 */
const hour = 3_600_000;
const times = 360;

// oxlint-disable-next-line no-restricted-globals -- it is what this is about
const usual = globalThis.setTimeout;

const hastened = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
  usual(run, ms >= hour ? ms / times : ms, ...args);

globalThis.setTimeout = Object.defineProperties(
  hastened,
  Object.getOwnPropertyDescriptors(usual),
) as typeof usual;
