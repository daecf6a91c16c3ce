import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { accountRows, readPreferences } from '../../src/account/accountrows.ts';
import { prefs } from '../../src/account/prefs.ts';
import { defaultLimits } from '../../src/base/limits.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { openStage, refused, textOf, type Stage } from './stage.ts';

const wrap = (inner: string, rule = 'default="roster"'): string =>
  `<prefs xmlns="${NS.mam}" ${rule}>${inner}</prefs>`;

void describe('archiving preferences (XEP-0441)', () => {
  let stage: Stage;
  before(async () => {
    stage = await openStage();
  });
  after(() => stage.close());

  void it('show everything at first, lists included (§2.1)', async () => {
    const told = textOf(await stage.ask(prefs, 'get', `<prefs xmlns="${NS.mam}"/>`));
    assert.equal(told, `<prefs xmlns="${NS.mam}" default="always"><always/><never/></prefs>`);
  });

  void it('are applied, written with the request, and told in normal form', async () => {
    const answer = await stage.ask(
      prefs,
      'set',
      wrap(
        '<always><jid>Romeo@Montague.example</jid><jid>romeo@montague.example</jid></always>' +
          '<never><jid>montague@montague.example/x</jid></never>',
      ),
    );
    const applied =
      `<prefs xmlns="${NS.mam}" default="roster"><always><jid>romeo@montague.example</jid></always>` +
      '<never><jid>montague@montague.example/x</jid></never></prefs>';
    assert.equal(textOf(answer), applied);
    assert.equal(textOf(await stage.ask(prefs, 'get', `<prefs xmlns="${NS.mam}"/>`)), applied);
    const written = stage.ops.find((op) => op.statement === accountRows.preferences)!;
    assert.deepEqual(written.params.slice(0, 2), [stage.fence.partition, stage.account.id]);
    assert.deepEqual(readPreferences(written.params[2] as string), stage.account.preferences);
  });

  void it('a list that is left out is empty (§2.1.2)', async () => {
    const answer = await stage.ask(prefs, 'set', wrap('', 'default="never"'));
    assert.equal(textOf(answer), `<prefs xmlns="${NS.mam}" default="never"><always/><never/></prefs>`);
  });

  void it('refused, they stay as they were', async () => {
    const before = stage.account.preferences;
    const written = stage.ops.length;
    const many = '<jid>a@b.example</jid>'.replace('a@', '#@');
    const entries = Array.from({ length: defaultLimits.preferences + 1 }, (_, n) =>
      many.replace('#', `n${n}`),
    ).join('');
    for (const [payload, condition] of [
      [wrap('', ''), 'bad-request'],
      [wrap('', 'default="sometimes"'), 'bad-request'],
      [wrap('<always><jid>@</jid></always>'), 'jid-malformed'],
      [wrap('<always/><always/>'), 'bad-request'],
      [wrap(`<never>${entries}</never>`), 'policy-violation'],
    ] as const)
      // oxlint-disable-next-line no-await-in-loop -- one after the other, to see which
      await refused(stage.ask(prefs, 'set', payload), condition);
    assert.equal(stage.account.preferences, before);
    assert.equal(stage.ops.length, written);
  });
});
