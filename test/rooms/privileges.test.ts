import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  refuseAffiliation,
  refuseAffiliationList,
  refuseRole,
  refuseRoleList,
  roleAfter,
  type Actor,
} from '../../src/rooms/privileges.ts';
import { usual } from '../../src/rooms/config.ts';
import type { Affiliation, Role } from '../../src/rooms/standing.ts';
import type { StanzaCondition } from '../../src/xmpp/error.ts';

const affiliations: readonly Affiliation[] = ['outcast', 'none', 'member', 'admin', 'owner'];
const roles: readonly Role[] = ['none', 'visitor', 'participant', 'moderator'];
const present = ['visitor', 'participant', 'moderator'] as const;

const sign = (condition: StanzaCondition | undefined): string =>
  ({ forbidden: 'F', 'not-allowed': 'N', conflict: 'C' })[condition as string] ?? '.';

/** Who may have a moderator's power: the tables have a row for each. */
const powers: Readonly<Record<string, Actor>> = {
  'none moderator': { affiliation: 'none', role: 'moderator' },
  'member moderator': { affiliation: 'member', role: 'moderator' },
  admin: { affiliation: 'admin', role: 'moderator' },
  owner: { affiliation: 'owner', role: 'moderator' },
};

const powerless: readonly Actor[] = (['outcast', 'none', 'member'] as const).flatMap((affiliation) =>
  (['none', 'visitor', 'participant'] as const).map((role) => ({ affiliation, role })),
);

/** Targets: none, member, admin, owner; each as visitor, participant, moderator. `.` may, `F` forbidden, `N` not-allowed. */
const roleTables: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  // XEP-0045 §8.2, and of moderators §5.1.3.
  none: {
    'none moderator': '..F NNN NNN NNN',
    'member moderator': '..F ..F NNN NNN',
    admin: '... ... ... NNN',
    owner: '... ... ... ...',
  },
  // §8.4.
  visitor: {
    'none moderator': '..F NNN NNN NNN',
    'member moderator': '..F NNN NNN NNN',
    admin: '... ... NNN NNN',
    owner: '... ... NNN NNN',
  },
  // §8.3, §9.7.
  participant: {
    'none moderator': '..F ..F NNF NNF',
    'member moderator': '..F ..F NNF NNF',
    admin: '... ... NNN NNN',
    owner: '... ... NNN NNN',
  },
  // §9.6.
  moderator: {
    'none moderator': 'FFF FFF FFF FFF',
    'member moderator': 'FFF FFF FFF FFF',
    admin: '... ... ... ...',
    owner: '... ... ... ...',
  },
};

for (const wanted of roles)
  test(`whom one may make ${wanted === 'none' ? 'go' : `a ${wanted}`}`, () => {
    const row = (actor: Actor) =>
      affiliations
        .slice(1)
        .map((affiliation) =>
          present.map((role) => sign(refuseRole(actor, { affiliation, role, self: false }, wanted))).join(''),
        )
        .join(' ');
    for (const [name, actor] of Object.entries(powers))
      assert.equal(row(actor), roleTables[wanted][name], name);
    for (const actor of powerless) assert.equal(row(actor), 'FFF FFF FFF FFF', JSON.stringify(actor));
    // Admins and owners need not be in.
    for (const affiliation of ['admin', 'owner'] as const)
      assert.equal(row({ affiliation, role: 'none' }), roleTables[wanted][affiliation]);
  });

test('nobody kicks themselves, and moderators may not give up what an admin gave them', () => {
  const self = (actor: Actor, wanted: Role) => refuseRole(actor, { ...actor, self: true }, wanted);
  for (const actor of Object.values(powers)) assert.equal(self(actor, 'none'), 'conflict');
  assert.equal(self(powers['member moderator']!, 'visitor'), 'forbidden');
  assert.equal(self(powers['owner']!, 'visitor'), 'not-allowed');
});

/** Targets: outcast, none, member, admin, owner. */
const affiliationTables: Readonly<Record<Affiliation, Readonly<Record<'admin' | 'owner', string>>>> = {
  // §9.1.
  outcast: { admin: '...NN', owner: '.....' },
  // §9.4, §10.4, §10.7.
  none: { admin: '...FF', owner: '.....' },
  member: { admin: '...FF', owner: '.....' },
  // §10.6.
  admin: { admin: 'FFFFF', owner: '.....' },
  // §10.3.
  owner: { admin: 'FFFFF', owner: '.....' },
};

for (const wanted of affiliations)
  test(`to whom one may give the affiliation ${wanted}`, () => {
    const row = (actor: Actor) =>
      affiliations
        .map((affiliation) => sign(refuseAffiliation(actor, { affiliation, self: false }, wanted)))
        .join('');
    for (const role of roles) {
      for (const affiliation of ['admin', 'owner'] as const)
        assert.equal(row({ affiliation, role }), affiliationTables[wanted][affiliation]);
      // A moderator's power is over roles alone.
      for (const affiliation of ['outcast', 'none', 'member'] as const)
        assert.equal(row({ affiliation, role }), 'FFFFF');
    }
  });

test('nobody bans themselves', () => {
  for (const affiliation of ['admin', 'owner'] as const) {
    const actor: Actor = { affiliation, role: 'moderator' };
    assert.equal(refuseAffiliation(actor, { affiliation, self: true }, 'outcast'), 'conflict');
  }
  const owner: Actor = { affiliation: 'owner', role: 'none' };
  assert.equal(refuseAffiliation(owner, { affiliation: 'owner', self: true }, 'none'), undefined);
});

test('lists of roles', () => {
  for (const actor of Object.values(powers)) {
    assert.equal(refuseRoleList(actor, 'participant'), undefined);
    assert.equal(refuseRoleList(actor, 'visitor'), undefined);
  }
  for (const [name, actor] of Object.entries(powers))
    assert.equal(sign(refuseRoleList(actor, 'moderator')), name.includes('moderator') ? 'F' : '.', name);
  for (const actor of powerless)
    for (const wanted of present) assert.equal(refuseRoleList(actor, wanted), 'forbidden');
});

/** Lists: outcast, member, admin, owner. */
test('lists of affiliations', () => {
  const row = (actor: Actor, config: Partial<typeof usual>) =>
    (['outcast', 'member', 'admin', 'owner'] as const)
      .map((wanted) => sign(refuseAffiliationList(actor, wanted, { ...usual, ...config })))
      .join('');
  const semi = { whois: 'moderators' } as const;
  const open = { whois: 'anyone' } as const;
  for (const role of roles) {
    assert.equal(row({ affiliation: 'owner', role }, semi), '....');
    assert.equal(row({ affiliation: 'owner', role }, { ...open, memberList: [] }), '....');
    assert.equal(row({ affiliation: 'admin', role }, semi), '..FF');
    assert.equal(row({ affiliation: 'admin', role }, { ...open, memberList: [] }), '....');
    assert.equal(row({ affiliation: 'outcast', role }, open), 'FFFF');
  }
  for (const affiliation of ['none', 'member'] as const) {
    assert.equal(row({ affiliation, role: 'participant' }, semi), 'FFFF');
    assert.equal(row({ affiliation, role: 'moderator' }, semi), 'F.FF');
    assert.equal(row({ affiliation, role: 'moderator' }, { ...semi, memberList: ['participant'] }), 'FFFF');
    assert.equal(row({ affiliation, role: 'participant' }, open), 'F...');
    assert.equal(row({ affiliation, role: 'participant' }, { ...open, memberList: ['moderator'] }), 'FFFF');
    assert.equal(row({ affiliation, role: 'visitor' }, { ...open, memberList: ['moderator'] }), 'FFFF');
  }
  // §9.5: a member who is not in; whoever is not one has to come in.
  assert.equal(row({ affiliation: 'member', role: 'none' }, open), 'F...');
  assert.equal(row({ affiliation: 'none', role: 'none' }, open), 'FFFF');
  assert.equal(row({ affiliation: 'member', role: 'none' }, { ...open, memberList: ['member'] }), 'F...');
});

test('what an affiliation brings of a role, and what goes with it', () => {
  const row = (before: Affiliation, after: Affiliation, config: Partial<typeof usual> = {}) =>
    present.map((role) => roleAfter(role, before, after, { ...usual, ...config })[0]).join('');
  const moderated = { moderated: true };
  const closed = { membersOnly: true };
  for (const before of ['none', 'member', 'admin', 'owner'] as const) {
    assert.equal(row(before, 'outcast'), 'nnn');
    assert.equal(row(before, 'none', closed), 'nnn');
    for (const after of ['admin', 'owner'] as const) assert.equal(row(before, after), 'mmm');
  }
  assert.equal(row('none', 'member', moderated), 'ppm');
  assert.equal(row('none', 'member'), 'ppm');
  assert.equal(row('member', 'none', moderated), 'vvm');
  assert.equal(row('member', 'none'), 'vpm');
  for (const before of ['admin', 'owner'] as const) {
    assert.equal(row(before, 'member', moderated).at(-1), 'p');
    assert.equal(row(before, 'none', moderated).at(-1), 'v');
    assert.equal(row(before, 'none').at(-1), 'p');
  }
});
