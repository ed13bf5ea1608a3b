// `node mock/main.mjs [port]`: the page on the mock server, for work on the page.
import { MockServer } from './server.mjs';

const server = await new MockServer().start(Number(process.argv[2] ?? 0));
console.log(server.url);
