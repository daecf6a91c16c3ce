import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { X509Certificate, type KeyObject, createPrivateKey } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { Failure } from './failure.ts';

/** What TLS listeners present: PEM texts. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const day = 86_400_000;

/**
 * The configured pair, or a self-signed one for the served domains and localhost: EC P-256, valid for ten years, kept
 * in the data directory (`tls/key.pem` with mode 0600). It is made again when the domains change or its end is near.
 *
 * @throws Failure('config') where a configured file cannot be read, is no PEM, or key and certificate do not match.
 */
export async function certificate(config: Config, clock: Clock): Promise<Certificate> {
  if (config.tls !== undefined) return configured(config.tls);
  const dir = join(config.data, 'tls');
  const files = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
  const names = [...new Set([...config.domains, 'localhost', '127.0.0.1', '::1'])];
  if (existsSync(files.cert) && existsSync(files.key)) {
    const kept = {
      cert: readFileSync(files.cert, 'utf8'),
      key: readFileSync(files.key, 'utf8'),
    };
    if (fits(kept.cert, kept.key, names, clock)) return kept;
  }
  const made = await make(names, clock);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  replace(files.key, made.key, 0o600);
  replace(files.cert, made.cert, 0o644);
  return made;
}

function configured(files: { cert: string; key: string }): Certificate {
  const cert = read(files.cert, 'tls.cert');
  const key = read(files.key, 'tls.key');
  const parsed = attempt(files.cert, 'tls.cert', 'is not a PEM certificate', () => new X509Certificate(cert));
  const secret: KeyObject = attempt(files.key, 'tls.key', 'is not a PEM private key', () =>
    createPrivateKey(key),
  );
  if (!parsed.checkPrivateKey(secret))
    throw new Failure('config', `tls.key: ${files.key} is not the key of ${files.cert}`);
  return { cert, key };
}

function read(file: string, key: string): string {
  return attempt(file, key, 'cannot be read', () => readFileSync(file, 'utf8'));
}

function attempt<T>(file: string, key: string, problem: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new Failure('config', `${key}: ${file} ${code === 'ENOENT' ? 'does not exist' : problem}`, error);
  }
}

function fits(cert: string, key: string, names: readonly string[], clock: Clock): boolean {
  try {
    const parsed = new X509Certificate(cert);
    const covered = names.every((name) =>
      isIP(name) ? parsed.checkIP(name) !== undefined : parsed.checkHost(ascii(name)) !== undefined,
    );
    const lasts = parsed.validToDate.getTime() > clock.now() + 30 * day;
    return covered && lasts && parsed.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false; // unreadable: a new pair is as good, nobody can have pinned this one
  }
}

async function make(names: readonly string[], clock: Clock): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: ascii(names[0]!).slice(0, 64) }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(clock.now() - day),
    notAfterDate: new Date(clock.now() + 3650 * day),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: names.map((name) => (isIP(name) ? { type: 7, ip: name } : { type: 2, value: ascii(name) })),
      },
    ],
  });
  return { cert: made.cert, key: made.private };
}

/** Certificates carry names in their ASCII form (RFC 5280 §7.2). */
function ascii(name: string): string {
  return URL.canParse(`http://${name}/`) ? new URL(`http://${name}/`).hostname : name;
}

function replace(file: string, text: string, mode: number): void {
  const fresh = `${file}.tmp`;
  writeFileSync(fresh, text, { mode });
  chmodSync(fresh, mode); // where the file was there already, its mode was kept
  renameSync(fresh, file);
}
