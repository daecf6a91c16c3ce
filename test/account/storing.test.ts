import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { byList } from '../../src/account/archiving.ts';
import { classify, isOffTheRecord, mayBeCopied } from '../../src/account/storing.ts';
import type { Element } from '../../src/xmpp/element.ts';
import { Jid } from '../../src/xmpp/jid.ts';
import { parseFragment } from '../../src/xmpp/parser.ts';

const body = '<body>O</body>';
const composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
const active = "<active xmlns='http://jabber.org/protocol/chatstates'/>";
const hint = (name: string): string => `<${name} xmlns='urn:xmpp:hints'/>`;
const occupant = "<x xmlns='http://jabber.org/protocol/muc#user'/>";
const mediated = "<x xmlns='http://jabber.org/protocol/muc#user'><invite to='j@c.example'/></x>";
const direct = "<x xmlns='jabber:x:conference' jid='coven@chat.example'/>";
const received = "<received xmlns='urn:xmpp:receipts' id='1'/>";
const displayed = "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>";
const encrypted = "<encrypted xmlns='eu.siacs.conversations.axolotl'/>";
const request = "<request xmlns='urn:xmpp:receipts'/>";
const markable = "<markable xmlns='urn:xmpp:chat-markers:0'/>";
const origin = "<origin-id xmlns='urn:xmpp:sid:0' id='a'/>";
const correction = "<replace xmlns='urn:xmpp:message-correct:0' id='1'/>";
const retraction = "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>";
const fallback = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>";
const reactions = "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>+</reaction></reactions>";
const wrapper =
  "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='b@c.example'><body>O</body></message></forwarded></received>";
const priv = "<private xmlns='urn:xmpp:carbons:2'/>";

function message(type: string, inner: string): Element {
  const said = type === '' ? '' : ` type='${type}'`;
  return parseFragment(`<message xmlns='jabber:client'${said}>${inner}</message>`);
}

void describe('what is stored', () => {
  const cases: readonly (readonly [type: string, inner: string, durable: boolean])[] = [
    // XEP-0160 §3
    ['chat', body, true],
    ['', body, true],
    ['normal', '<subject>O</subject>', true],
    ['poem', body, true],
    ['chat', composing, false],
    ['chat', `<thread>t</thread>${composing}`, false],
    ['chat', active + body, true],
    ['chat', '', false],
    ['headline', body, false],
    ['groupchat', body, false],
    ['error', body, false],
    // XEP-0334 §4; §5 for errors
    ['chat', body + hint('no-store'), false],
    ['chat', body + hint('no-permanent-store'), true],
    ['chat', composing + hint('store'), true],
    ['chat', body + hint('store') + hint('no-store'), false],
    ['headline', body + hint('store'), true],
    ['error', body + hint('store'), false],
    ['groupchat', body + hint('store'), false],
    ['chat', hint('no-copy'), false],
    // Content without a body
    ['chat', received, true],
    ['chat', displayed, true],
    ['chat', encrypted, true],
    ['', mediated, true],
    ['', direct, true],
    // What goes with a body says nothing alone
    ['chat', composing + request + markable + origin, false],
    ['chat', occupant, false],
    ['chat', origin + priv, false],
    // What clients of today say, where it is the client's matter alone and the server only has to keep it
    ['chat', `${body}${correction}`, true],
    ['chat', retraction, true],
    ['chat', `${body}${retraction}${fallback}${hint('store')}`, true],
    ['chat', `*bold*${body}<unstyled xmlns='urn:xmpp:styling:0'/>`, true],
    ['chat', reactions, true],
    ['chat', markable + body, true],
    ['chat', displayed + hint('no-store'), false],
    ['chat', received + hint('store'), true],
    ['chat', "<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>" + hint('store'), true],
    ['chat', "<gone xmlns='http://jabber.org/protocol/chatstates'/>", false],
    // Others' names for the same
    ['chat', "<body xmlns='urn:other'>O</body>", true],
  ];
  for (const [type, inner, durable] of cases)
    void it(`${type} ${inner}: ${durable ? 'durable' : 'transient'}`, () => {
      assert.equal(classify(message(type, inner)), durable ? 'durable' : 'transient');
    });

  void it('off the record is a hint of its own', () => {
    assert.equal(isOffTheRecord(message('chat', body + hint('no-permanent-store'))), true);
    assert.equal(isOffTheRecord(message('chat', body)), false);
  });
});

void describe('what carbons copy (XEP-0280 §6.1)', () => {
  const cases: readonly (readonly [type: string, inner: string, sent: boolean, received: boolean])[] = [
    ['chat', body, true, true],
    ['chat', composing, true, true],
    ['chat', encrypted, true, true],
    ['', body, true, true],
    ['normal', '<subject>O</subject>', false, false],
    ['', received, true, true],
    ['', displayed, true, true],
    ['headline', body, false, false],
    ['groupchat', body, false, false],
    ['error', body, false, false],
    ['chat', body + priv, false, false],
    // A carbon is never copied, nor is what looks like one
    ['chat', wrapper, false, false],
    ['chat', body + wrapper, false, false],
    ['chat', body + correction, true, true],
    ['chat', body + retraction, true, true],
    ['normal', retraction, false, false],
    ['chat', body + hint('no-copy'), false, false],
    ['', direct, true, true],
    ['', mediated, true, true],
    // In private with an occupant: copied when sent, replicated by the room when received
    ['chat', body + occupant, true, false],
    ['chat', body + mediated, true, true],
  ];
  for (const [type, inner, sent, got] of cases)
    void it(`${type} ${inner}`, () => {
      assert.equal(mayBeCopied(message(type, inner)), sent);
      assert.equal(mayBeCopied(message(type, inner), true), got);
    });
});

void describe('what the lists say (XEP-0441 §2.3.1)', () => {
  const jid = (text: string): Jid => Jid.parse(text)!;
  const lists = {
    default: 'always',
    always: ['romeo@montague.example', 'nurse@capulet.example/hall', 'both@x.example'],
    never: ['romeo@montague.example/orchard', 'nurse@capulet.example', 'both@x.example'],
  } as const;
  for (const [peer, shown] of [
    ['romeo@montague.example', true],
    ['romeo@montague.example/tomb', true],
    ['romeo@montague.example/orchard', false],
    ['nurse@capulet.example/hall', true],
    ['nurse@capulet.example', false],
    ['both@x.example/a', false],
    ['tybalt@capulet.example', undefined],
  ] as const)
    void it(peer, () => assert.equal(byList(lists, jid(peer)), shown));
});
