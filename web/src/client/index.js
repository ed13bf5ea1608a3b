// @ts-check
/** The client library: everything a page, or a program, needs to speak to Tidings. It never touches a document. */
export { Api } from './api.js';
export { Auth } from './auth.js';
export { Chat } from './chat.js';
export { Client } from './client.js';
export { Refused, Unanswered } from './codes.js';
export { Connection } from './connection.js';
export { claimDevice } from './device.js';
export { uuidv7 } from './ids.js';
export { Outbox, OutboxFull } from './outbox.js';
export { Storage } from './storage.js';
export { ChatSync } from './sync.js';
