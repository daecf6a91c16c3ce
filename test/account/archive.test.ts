import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { archive } from '../../src/account/archive.ts';
import { archiveRows } from '../../src/account/archiverows.ts';
import type { Element } from '../../src/xmpp/element.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseFragment } from '../../src/xmpp/parser.ts';
import { attribute, text } from '../../src/xmpp/serialise.ts';
import { firstId, juliet, openStage, refused, textOf, type Line, type Stage } from './stage.ts';

const romeo = 'romeo@montague.example';
const nurse = 'nurse@capulet.example';

/** What a query gave: ids in the order in which they were sent, and the end. */
interface Page {
  readonly ids: number[];
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly complete: boolean;
  readonly count: number | undefined;
}

function form(fields: Readonly<Record<string, string | readonly string[]>>): string {
  const inner = Object.entries({ FORM_TYPE: NS.mam, ...fields }).map(([name, values]) => {
    const list = typeof values === 'string' ? [values] : values;
    return `<field var="${attribute(name)}">${list.map((value) => `<value>${text(value)}</value>`).join('')}</field>`;
  });
  return `<x xmlns="${NS.dataForms}" type="submit">${inner.join('')}</x>`;
}

function set(inner: string): string {
  return `<set xmlns="${NS.rsm}">${inner}</set>`;
}

async function ask(stage: Stage, inner = '', attrs = ''): Promise<Page> {
  stage.sent = [];
  const fin = await stage.ask(archive, 'set', `<query xmlns="${NS.mam}"${attrs}>${inner}</query>`);
  assert.ok(fin !== undefined && fin.is('fin', NS.mam));
  const found = fin.child('set', NS.rsm)!;
  const number = (name: string) => {
    const value = found.child(name)?.text();
    return value === undefined ? undefined : Number(value);
  };
  return {
    ids: stage.sent.map((sent) => Number(resultIn(sent).attrs['id'])),
    first: number('first'),
    last: number('last'),
    complete: fin.attrs['complete'] === 'true',
    count: number('count'),
  };
}

function resultIn(sent: string): Element {
  return parseFragment(sent.replace('<message', `<message xmlns="${NS.client}"`)).child('result', NS.mam)!;
}

void describe('an archive', () => {
  let stage: Stage;
  const lines: Line[] = [];
  before(async () => {
    stage = await openStage();
    for (let n = 0; n < 60; n++) {
      const other = n % 3 === 0 ? `${romeo}/orchard` : n % 3 === 1 ? romeo : `${nurse}/hall`;
      lines.push({ id: firstId + n * 1_000_000, with: other, sent: n % 2 === 0, hidden: n % 10 === 9 });
    }
    await stage.store(lines);
  });
  after(() => stage.close());
  const shown = (): number[] => lines.filter((line) => line.hidden !== true).map(({ id }) => id);

  void it('sends what it holds as results of the query, then the end (XEP-0313 §4.2)', async () => {
    const page = await ask(stage, set('<max>2</max>'), ' queryid="f27"');
    assert.deepEqual(page, {
      ids: shown().slice(0, 2),
      first: firstId,
      last: firstId + 1_000_000,
      complete: false,
      count: undefined,
    });
    assert.equal(
      stage.sent[0],
      `<message from="${juliet}" to="${juliet}/balcony"><result xmlns="urn:xmpp:mam:2" queryid="f27" id="${firstId}">` +
        '<forwarded xmlns="urn:xmpp:forward:0"><delay xmlns="urn:xmpp:delay" stamp="2026-11-20T12:00:00.000Z"/>' +
        `<message xmlns="jabber:client" from="${juliet}/balcony" to="${romeo}/orchard" type="chat">` +
        `<body>message ${firstId}</body></message></forwarded></result></message>`,
    );
  });

  void it('shows all that is shown, and counts it where that is everything', async () => {
    const all = await ask(stage);
    assert.deepEqual(all.ids, shown());
    assert.equal(all.complete, true);
    assert.equal(all.count, shown().length);
  });

  void it('knows the last page, the count alone, and a page sent the other way round', async () => {
    const last = await ask(stage, set('<max>3</max><before/>'));
    assert.deepEqual(last.ids, shown().slice(-3));
    assert.equal(last.complete, false);
    const count = await ask(stage, set('<max>0</max>'));
    assert.deepEqual([count.ids, count.count, count.complete], [[], shown().length, false]);
    const flipped = await ask(stage, `${set('<max>3</max><before/>')}<flip-page/>`);
    assert.deepEqual(flipped.ids, shown().slice(-3).toReversed());
    assert.deepEqual([flipped.first, flipped.last], [last.first, last.last]);
  });

  void it('filters by address: bare ones match every resource, others themselves (§4.1.1)', async () => {
    const bare = await ask(stage, form({ with: 'Romeo@Montague.example' }));
    const of = (other: string) =>
      lines.filter((line) => !line.hidden && line.with.startsWith(other)).map(({ id }) => id);
    assert.deepEqual(bare.ids, of(romeo));
    const full = await ask(stage, form({ with: `${romeo}/orchard` }));
    assert.deepEqual(full.ids, of(`${romeo}/orchard`));
    assert.deepEqual((await ask(stage, form({ with: `${romeo}/nowhere` }))).ids, []);
    assert.deepEqual((await ask(stage, form({ with: 'tybalt@capulet.example' }))).ids, []);
    // To oneself: only what is to and from oneself.
    assert.deepEqual((await ask(stage, form({ with: juliet }))).ids, []);
  });

  void it('filters by time, both ends included (§4.1.2)', async () => {
    const page = await ask(stage, form({ start: '2026-11-20T12:00:05Z', end: '2026-11-20T12:00:08Z' }));
    assert.deepEqual(
      page.ids,
      [5, 6, 7, 8].map((n) => firstId + n * 1_000_000),
    );
    assert.deepEqual((await ask(stage, form({ end: '2010-01-01T00:00:00Z' }))).ids, []);
    assert.deepEqual((await ask(stage, form({ start: '9999-12-31T23:59:59Z' }))).ids, []);
  });

  void it('filters by ids (§4.1.3)', async () => {
    const id = (n: number) => String(firstId + n * 1_000_000);
    assert.deepEqual((await ask(stage, form({ 'after-id': id(3), 'before-id': id(6) }))).ids.map(String), [
      id(4),
      id(5),
    ]);
    const wanted = [12, 3, 40, 41, 2, 1, 0, 4, 5, 6, 7, 8, 10, 11, 13, 14, 15, 16, 17, 18].map(id);
    const some = await ask(stage, form({ ids: wanted }));
    assert.deepEqual(
      some.ids,
      wanted.map(Number).sort((a, b) => a - b),
    );
    assert.equal(some.complete, true);
    const paged = await ask(stage, form({ ids: wanted }) + set(`<max>2</max><after>${id(3)}</after>`));
    assert.deepEqual([paged.ids.map(String), paged.complete], [[id(4), id(5)], false]);
  });

  void it('refuses ids that it does not hold (§4.1.3, §4.3.2)', async () => {
    const hidden = String(firstId + 9 * 1_000_000);
    const beyond = String(stage.account.head + 1);
    for (const unknown of [
      '1',
      beyond,
      'x',
      '-1',
      '0',
      '1e9',
      '99999999999999999999',
      "' or '1'='1",
      `${firstId} `,
    ]) {
      const inner = text(unknown);
      for (const query of [
        set(`<after>${inner}</after>`),
        set(`<before>${inner}</before>`),
        form({ 'after-id': unknown }),
        form({ 'before-id': unknown }),
        form({ ids: [String(firstId), unknown] }),
      ])
        // oxlint-disable-next-line no-await-in-loop -- one after the other, to see which
        await refused(ask(stage, query), 'item-not-found');
    }
    await refused(ask(stage, form({ ids: hidden })), 'item-not-found');
    // Clients know the id of a hidden message from its stanza-id: they can go on from there.
    assert.deepEqual((await ask(stage, set(`<max>1</max><after>${hidden}</after>`))).ids, [
      firstId + 10_000_000,
    ]);
  });

  void it('refuses what is malformed, and fields that nobody knows (§4.1.5)', async () => {
    const id = String(firstId);
    for (const [query, condition] of [
      [form({ start: 'yesterday' }), 'bad-request'],
      [form({ end: '2026-11-20' }), 'bad-request'],
      [form({ with: '@' }), 'bad-request'],
      [form({ with: [romeo, nurse] }), 'bad-request'],
      [form({ 'include-groupchat': 'perhaps' }), 'bad-request'],
      [form({ FORM_TYPE: 'urn:xmpp:mam:1' }), 'bad-request'],
      [form({}).replace('submit', 'cancel'), 'bad-request'],
      [form({}) + form({}), 'bad-request'],
      [set('<max>many</max>'), 'bad-request'],
      [set('<max>-1</max>'), 'bad-request'],
      [form({ '{urn:example}colour': 'red' }), 'feature-not-implemented'],
      [set('<index>3</index>'), 'feature-not-implemented'],
      [form({ ids: Array.from({ length: 101 }, (_, n) => String(n + 1)) }), 'policy-violation'],
    ] as const)
      // oxlint-disable-next-line no-await-in-loop -- one after the other, to see which
      await refused(ask(stage, query), condition);
    await refused(ask(stage, '', ` queryid="${'x'.repeat(5000)}"`), 'bad-request');
    await refused(ask(stage, '', ' node="princely_musings"'), 'item-not-found');
    // As good as left out: fields without a value; and one that does not concern accounts.
    const lenient = await ask(
      stage,
      form({ with: '', start: '', 'after-id': '', 'include-groupchat': 'true' }),
    );
    assert.equal(lenient.ids.length, shown().length);
    assert.ok((await ask(stage, set(`<after>${id}</after><before/><max>2</max>`))).ids.length === 2);
  });

  void it('takes no text for SQL, wherever it stands', async () => {
    const evil = "x' or 1=1; drop table message; --";
    assert.deepEqual((await ask(stage, form({ with: `romeo@montague.example/${evil}` }))).ids, []);
    await refused(ask(stage, form({ with: evil })), 'bad-request');
    await refused(ask(stage, form({ start: evil })), 'bad-request');
    await refused(ask(stage, form({ [evil]: 'x' })), 'feature-not-implemented');
    const page = await ask(stage, set('<max>1</max>'), ` queryid="${attribute(`"/><evil a='`)}"`);
    assert.equal(page.ids.length, 1);
    assert.equal(resultIn(stage.sent[0]!).attrs['queryid'], `"/><evil a='`);
    assert.equal((await ask(stage)).ids.length, shown().length);
  });

  void it('tells its form and its ends (§4.1.5, §5)', async () => {
    const asked = await stage.ask(archive, 'get', `<query xmlns="${NS.mam}"/>`);
    const names = asked!
      .child('x', NS.dataForms)!
      .elements('field')
      .map((field) => field.attrs['var']!);
    assert.deepEqual(
      names.sort((a, b) => (a < b ? -1 : 1)),
      ['FORM_TYPE', 'after-id', 'before-id', 'end', 'ids', 'include-groupchat', 'start', 'with'],
    );
    const ends = await stage.ask(archive, 'get', `<metadata xmlns="${NS.mam}"/>`);
    assert.equal(
      textOf(ends),
      `<metadata xmlns="urn:xmpp:mam:2"><start id="${firstId}" timestamp="2026-11-20T12:00:00.000Z"/>` +
        `<end id="${firstId + 58_000_000}" timestamp="2026-11-20T12:00:58.000Z"/></metadata>`,
    );
  });

  void it('is for its account only (§8.1)', async () => {
    for (const [type, payload] of [
      ['set', `<query xmlns="${NS.mam}"/>`],
      ['get', `<metadata xmlns="${NS.mam}"/>`],
      ['get', `<prefs xmlns="${NS.mam}"/>`],
    ] as const)
      // oxlint-disable-next-line no-await-in-loop -- one after the other, to see which
      await refused(stage.visit(archive, type, payload, `${romeo}/orchard`), 'forbidden');
  });

  void it('shows nothing above the head', async () => {
    const { head } = stage.account;
    stage.account.head = firstId + 4_000_000;
    try {
      assert.deepEqual(
        (await ask(stage)).ids,
        [0, 1, 2, 3, 4].map((n) => firstId + n * 1_000_000),
      );
      assert.deepEqual((await ask(stage, set('<max>1</max><before/>'))).ids, [firstId + 4_000_000]);
      await refused(ask(stage, form({ ids: String(firstId + 5_000_000) })), 'item-not-found');
      await refused(ask(stage, set(`<after>${firstId + 5_000_000}</after>`)), 'item-not-found');
    } finally {
      stage.account.head = head;
    }
  });

  void it('holds a page back while the client owes acknowledgements (DESIGN §5)', async () => {
    stage.session.unacked.size = 250;
    const asked = ask(stage, set('<max>3</max>'));
    while (stage.wants < 3) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(stage.sent.length, 0);
    stage.session.unacked.size = 10;
    assert.equal((await asked).ids.length, 3);
  });

  void it('pages, forwards and backwards, are one listing (XEP-0059 §2.2, §2.3)', async () => {
    const filters = fc.record(
      {
        with: fc.constantFrom(romeo, `${romeo}/orchard`, nurse, 'nobody@capulet.example'),
        start: fc.integer({ min: -5, max: 65 }).map((n) => new Date(firstId / 1000 + n * 1000).toISOString()),
        end: fc.integer({ min: -5, max: 65 }).map((n) => new Date(firstId / 1000 + n * 1000).toISOString()),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 1, max: 20 }), async (filter, max) => {
        const fields = form(filter as Record<string, string>);
        const whole = await ask(stage, fields);
        assert.equal(whole.complete, true);
        const forwards: number[] = [];
        const backwards: number[] = [];
        for (let page = await ask(stage, fields + set(`<max>${max}</max>`)); ;) {
          forwards.push(...page.ids);
          assert.deepEqual([page.first, page.last], [page.ids[0], page.ids.at(-1)]);
          if (page.complete) break;
          page = await ask(stage, fields + set(`<max>${max}</max><after>${page.last}</after>`));
        }
        for (let page = await ask(stage, fields + set(`<max>${max}</max><before/>`)); ;) {
          backwards.unshift(...page.ids);
          if (page.complete) break;
          page = await ask(stage, fields + set(`<max>${max}</max><before>${page.first}</before>`));
        }
        assert.deepEqual(forwards, whole.ids);
        assert.deepEqual(backwards, whole.ids);
      }),
      { numRuns: 60 },
    );
  });
});

void describe('a large archive', () => {
  let stage: Stage;
  before(async () => {
    stage = await openStage();
    const lines: Line[] = [];
    // Longer than two slices; one contact was spoken to at both ends only, another in a stretch that is not shown.
    for (let n = 0; n < 5000; n++)
      lines.push({
        id: firstId + n,
        with: n < 3 || n >= 4997 ? nurse : romeo,
        hidden: n >= 500 && n < 3500,
        body: n % 10 === 0 ? 'x'.repeat(100_000) : 'short',
      });
    await stage.store(lines);
  });
  after(() => stage.close());

  void it('finds what is rare across slices, from either end', async () => {
    const ends = [0, 1, 2, 4997, 4998, 4999].map((n) => firstId + n);
    assert.deepEqual((await ask(stage, form({ with: nurse }))).ids, ends);
    assert.deepEqual(
      (await ask(stage, form({ with: nurse }) + set('<max>4</max><before/>'))).ids,
      ends.slice(2),
    );
    assert.equal((await ask(stage, form({ with: nurse }) + set('<max>0</max>'))).count, undefined);
  });

  void it('passes over what is hidden', async () => {
    const page = await ask(stage, set(`<after>${firstId + 499}</after><max>2</max>`));
    assert.deepEqual(
      page.ids,
      [3500, 3501].map((n) => firstId + n),
    );
    const back = await ask(stage, set(`<before>${firstId + 3500}</before><max>2</max>`));
    assert.deepEqual(
      back.ids,
      [498, 499].map((n) => firstId + n),
    );
  });

  void it('ends a page of large messages early, and goes on behind it', async () => {
    const seen: number[] = [];
    let largest = 0;
    for (let page = await ask(stage, set('<max>100</max>')); ;) {
      seen.push(...page.ids);
      largest = Math.max(
        largest,
        stage.sent.reduce((sum, sent) => sum + sent.length, 0),
      );
      if (page.complete) break;
      // oxlint-disable-next-line no-await-in-loop -- page by page
      page = await ask(stage, set(`<max>100</max><after>${page.last}</after>`));
    }
    assert.equal(seen.length, 2000);
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    assert.ok(largest < 700_000, `a page of ${largest} characters`);
  });

  void it('is read by its primary key only, whatever is asked', async () => {
    for (const [name, statement] of Object.entries(archiveRows)) {
      const places = statement.text.match(/\$\d+/g)!.length;
      const params = Array.from({ length: Math.min(places, name === 'some' ? 18 : 6) }, () => 1);
      // oxlint-disable-next-line no-await-in-loop -- one after the other, to see which
      const plan = await stage.volume.query<{ detail: string }>(
        Object.freeze({ text: `explain query plan ${statement.text}` }),
        params.slice(0, new Set(statement.text.match(/\$\d+/g)).size),
      );
      const steps = plan.map(({ detail }) => detail).join('; ');
      assert.match(
        steps,
        /SEARCH message USING (COVERING )?INDEX sqlite_autoindex_message_1 \(partition=\? AND account=\?/,
        `${name}: ${steps}`,
      );
      assert.doesNotMatch(steps, /SCAN message|TEMP B-TREE/, `${name}: ${steps}`);
      if (name.startsWith('edge')) assert.match(steps, /COVERING/, name);
    }
  });
});
