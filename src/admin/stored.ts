import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { encodedName, essence } from '../account/upload/name.ts';
import type { StoredFile, Uploads } from '../account/upload/uploads.ts';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Range } from '../blobs/blobs.ts';
import { wantBody, type FileRequest, type FileService } from './files.ts';

/**
 * Types that a browser shows by itself: pictures, sounds and films in formats that hold no program. Everything else is
 * saved, never shown: HTML, SVG, PDF and XML most of all.
 */
const shown = new Set([
  ...['avif', 'bmp', 'gif', 'jpeg', 'png', 'webp'].map((name) => `image/${name}`),
  ...['aac', 'flac', 'm4a', 'mp4', 'mpeg', 'ogg', 'opus', 'wav', 'webm', 'x-m4a'].map(
    (name) => `audio/${name}`,
  ),
  ...['mp4', 'ogg', 'quicktime', 'webm'].map((name) => `video/${name}`),
]);

/** Files of this server's own store. */
export function storedFiles(uploads: Uploads, clock: Clock): FileService {
  return {
    put: async (file, request, reply) => {
      const store = await uploads.begin({
        ...file,
        type: request.headers['content-type'],
        length: length(request),
      });
      wantBody(request, reply);
      await store(paced(request.raw, clock));
      // XEP-0363 §7: the file can be had from now on.
      return reply.code(201).header('content-length', '0').send();
    },
    get: async (file, request, reply) => {
      const found = await uploads.find(file.token, file.name);
      if (found === undefined) throw new Failure('not-found', 'there is no such file');
      return answer(file, found, request, reply, clock);
    },
  };
}

function length({ headers }: FastifyRequest): number | undefined {
  const text = headers['content-length'];
  if (text !== undefined) return Number(text);
  // A body without a length tells its end by itself; without either there is none.
  return headers['transfer-encoding'] === undefined ? 0 : undefined;
}

/** The body, as long as it moves and ends in time; what is not wanted of it any more stays unread. */
async function* paced(body: IncomingMessage, clock: Clock): AsyncGenerator<Uint8Array> {
  const { value: idle } = fixed.uploadIdle;
  let late = false;
  const stop = () => {
    late = true;
    body.destroy();
  };
  const whole = clock.after(fixed.uploadTime.value, stop);
  let pause = clock.after(idle, stop);
  try {
    for await (const bytes of body.iterator({ destroyOnReturn: false })) {
      // How long it takes to store what came is not the client's fault.
      pause.cancel();
      yield bytes as Buffer;
      pause = clock.after(idle, stop);
    }
  } catch (error) {
    throw new Failure('upload-stopped', late ? 'the upload is too slow' : 'the upload was cut off', error);
  } finally {
    pause.cancel();
    whole.cancel();
  }
  // Some ends of a connection look like the end of a body.
  if (!body.complete) throw new Failure('upload-stopped', 'the upload was cut off');
}

async function answer(
  { token }: FileRequest,
  file: StoredFile,
  request: FastifyRequest,
  reply: FastifyReply,
  clock: Clock,
): Promise<FastifyReply> {
  // A token is used for one content only, which never changes.
  const tag = `"${token}"`;
  const left = file.until === undefined ? year : Math.max(0, Math.floor((file.until - clock.now()) / 1000));
  const kind = shown.has(essence(file.type)) ? 'inline' : 'attachment';
  reply.headers({
    'accept-ranges': 'bytes',
    'cache-control': `private, max-age=${Math.min(left, year)}, immutable`,
    'content-disposition': `${kind}; filename*=UTF-8''${encodedName(file.name)}`,
    etag: tag,
    'last-modified': new Date(file.created).toUTCString(),
  });
  const { headers, method } = request;
  if (matches(headers['if-none-match'], tag)) return reply.code(304).send();
  if (headers['if-match'] !== undefined && !matches(headers['if-match'], tag)) return reply.code(412).send();
  // RFC 9110 §14.2: ranges are for GET. §13.1.5: of another content than the one that the client has a part of, all.
  const partial = method === 'GET' && (headers['if-range'] === undefined || headers['if-range'] === tag);
  const range = partial ? rangeOf(headers.range, file.size) : undefined;
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${file.size}`);
    throw new Failure('range-unsatisfiable', `the file has ${file.size} bytes`);
  }
  const size = range === undefined ? file.size : range.last - range.first + 1;
  reply.headers({ 'content-type': file.type, 'content-length': size });
  if (method === 'HEAD') return reply.send();
  const content = await file.read(range);
  if (range !== undefined)
    reply.code(206).header('content-range', `bytes ${range.first}-${range.last}/${file.size}`);
  unlessStuck(content, reply, clock);
  return reply.send(content);
}

/** `*`, or one of a list of tags; weak ones count as well (RFC 9110 §13.1.2). */
function matches(header: string | undefined, tag: string): boolean {
  return (header ?? '').split(',').some((one) => ['*', tag, `W/${tag}`].includes(one.trim()));
}

/**
 * RFC 9110 §14.1.2, one range: several, or what is none, is answered with the whole, which is always allowed. Undefined for
 * the whole.
 */
export function rangeOf(header: string | undefined, size: number): Range | 'unsatisfiable' | undefined {
  const found = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i.exec(header ?? '');
  if (found === null) return undefined;
  const [from, to] = [found[1]!, found[2]!];
  if (from === '' && to === '') return undefined;
  if (from === '') {
    const last = Number(to);
    return last === 0 ? 'unsatisfiable' : { first: Math.max(0, size - last), last: size - 1 };
  }
  const first = Number(from);
  if (to !== '' && Number(to) < first) return undefined;
  if (first >= size) return 'unsatisfiable';
  return { first, last: to === '' ? size - 1 : Math.min(Number(to), size - 1) };
}

/** Ends a download that takes nothing any more: what waits for it is in memory. */
function unlessStuck(content: Readable, reply: FastifyReply, clock: Clock): void {
  const { socket } = reply.raw;
  let sent = -1;
  let timer = { cancel: () => {} };
  const look = () => {
    const written = socket?.bytesWritten ?? 0;
    if (written === sent || socket?.destroyed === true) {
      content.destroy();
      reply.raw.destroy();
      return;
    }
    sent = written;
    timer = clock.after(fixed.uploadIdle.value, look);
  };
  look();
  reply.raw.once('close', () => {
    timer.cancel();
    content.destroy();
  });
}

const year = 365 * 24 * 60 * 60;
