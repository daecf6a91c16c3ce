import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** Somebody who certifies clients, by the OpenSSL of the system. */
export class Authority {
  readonly #dir = mkdtempSync(join(tmpdir(), 'muster-authority-'));
  readonly ca: string;
  #count = 0;

  constructor(name = 'authority') {
    this.#openssl(
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ['-keyout', this.#at('ca.key'), '-out', this.#at('ca.pem'), '-subj', `/CN=${name}`],
    );
    this.ca = readFileSync(this.#at('ca.pem'), 'utf8');
  }

  /** A certificate with these names, as in `xmpp:alice@example.org` and `email:alice@example.org`. */
  issue(names: readonly string[], usage = 'clientAuth'): Issued {
    const file = String(++this.#count);
    const alt = names.map((name) => name.replace(/^xmpp:/, 'otherName:1.3.6.1.5.5.7.8.5;UTF8:'));
    const extensions = [
      'basicConstraints=CA:FALSE',
      `extendedKeyUsage=${usage}`,
      ...(alt.length > 0 ? [`subjectAltName=@names`, '[names]', ...numbered(alt)] : []),
    ];
    writeFileSync(this.#at(`${file}.ext`), extensions.join('\n'));
    this.#openssl(
      [
        'req',
        '-new',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-subj',
        '/CN=client',
      ],
      ['-keyout', this.#at(`${file}.key`), '-out', this.#at(`${file}.csr`)],
    );
    this.#openssl(
      [
        'x509',
        '-req',
        '-in',
        this.#at(`${file}.csr`),
        '-CA',
        this.#at('ca.pem'),
        '-CAkey',
        this.#at('ca.key'),
      ],
      ['-CAcreateserial', '-days', '1', '-extfile', this.#at(`${file}.ext`), '-out', this.#at(`${file}.pem`)],
    );
    const read = (end: string) => readFileSync(this.#at(`${file}.${end}`), 'utf8');
    return { cert: read('pem'), key: read('key') };
  }

  close(): void {
    rmSync(this.#dir, { recursive: true });
  }

  #at(name: string): string {
    return join(this.#dir, name);
  }

  #openssl(...args: readonly (readonly string[])[]): void {
    execFileSync('openssl', args.flat(), { stdio: 'pipe' });
  }
}

/** `email:x` as a section of OpenSSL's has it: `email.1 = x`. */
function numbered(names: readonly string[]): string[] {
  return names.map((name, n) => name.replace(':', `.${n + 1} = `));
}
