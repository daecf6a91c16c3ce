import { default as build } from 'pino-pretty';

/** Log lines for people: time, level, text, then the fields on the same line. */
export function pretty(fd: 1 | 2) {
  return build({
    colorize: true,
    singleLine: true,
    translateTime: 'HH:MM:ss.l',
    ignore: 'pid,hostname',
    sync: true,
    destination: fd,
  });
}
