/** The part of `fixed.ts` that bounds rooms and the halls of their occupants. */
export const rooming = {
  departures: {
    value: 1000,
    unit: 'departures',
    of: 'departures of a room that are kept for those who may not have been told',
    overflow: 'the oldest is forgotten: who was away for longer learns who is there, and compares',
  },
  roomPlaces: {
    value: 30_000,
    unit: 'ms',
    of: 'time between two writings of how far a session’s client has come in its rooms',
    overflow: 'where its mux and its owner die together it gets again what came since',
  },
  reportAgain: {
    value: 2000,
    unit: 'ms',
    of: 'time after which a server of occupants that a room did not answer reports again',
    overflow: 'messages of that room wait at the room',
  },
  seekAgain: {
    value: 1000,
    unit: 'ms',
    of: 'time between two questions of a room for occupants of whom nobody has spoken',
    overflow: 'those who are not there are shown for so much longer',
  },
  mirrorPart: {
    value: 262_144,
    unit: 'characters',
    of: 'one part of what a server is told of a room that it has not met',
    overflow: 'the rest goes in further parts',
  },
  roomRecent: {
    value: 100,
    unit: 'messages',
    of: 'messages of a room that are kept in memory, for who comes in and who falls behind',
    overflow: 'older ones are read from the archive, and are no part of what who comes in is shown',
  },
  roomSources: {
    value: 1000,
    unit: 'sessions',
    of: 'sessions, besides those that are in, whose last word in a room is in memory',
    overflow: 'that of another one is looked up when it says something again',
  },
  roomName: {
    value: 256,
    unit: 'characters',
    of: 'the name of a room, its password, an address or a link in its configuration',
    overflow: 'the request fails with `not-acceptable`',
  },
  roomWords: {
    value: 4096,
    unit: 'characters',
    of: 'the description of a room, its subject, the reason of an invitation or of an end',
    overflow: 'the request fails with `not-acceptable`',
  },
  roomContacts: {
    value: 64,
    unit: 'addresses',
    of: 'contact addresses of a room',
    overflow: 'the request fails with `not-acceptable`',
  },
  roomStaff: {
    value: 1000,
    unit: 'addresses',
    of: 'owners or admins that one form may name',
    overflow: 'the request fails with `not-acceptable`',
  },
  roomInvites: {
    value: 50,
    unit: 'invitations',
    of: 'people whom one message may invite into a room',
    overflow: 'nobody is invited: `not-acceptable`',
  },
  roomRetold: {
    value: 200,
    unit: 'sessions',
    of: 'occupants up to which a room shows all of them anew when who is shown, or how, is configured differently',
    overflow: 'who comes in from then on is shown so',
  },
  roomReason: {
    value: 1000,
    unit: 'characters',
    of: 'the reason for what is done to somebody in a room; it is shown to all',
    overflow: 'the request is refused with `not-acceptable`',
  },
} as const;
