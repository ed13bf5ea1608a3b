// @ts-check
/** Starts the page: shows the sign-in, or the chats of who is signed in in this tab, and changes between the two. */
import { Auth, claimDevice, Client, Storage } from './client/index.js';
import { App } from './ui/app.js';
import { SignIn } from './ui/signin.js';

const root = /** @type {HTMLElement} */ (document.getElementById('app'));
const session = new Storage(reachable(() => window.sessionStorage));
const local = new Storage(reachable(() => window.localStorage), () => current?.storageFull());
const auth = new Auth({ base: '', session });
/** @type {App | null} the chats on show; null while signing in */
let current = null;

/** A browser may forbid storage by throwing at the first touch. @param {() => globalThis.Storage} open */
function reachable(open) {
  try {
    return open();
  } catch {
    return null;
  }
}

/** @param {string} [notice] why somebody is here again */
function showSignIn(notice) {
  document.title = 'Tidings';
  root.replaceChildren(new SignIn({ auth, notice, done: () => void showChats() }).element);
}

async function showChats() {
  const { user } = auth;
  if (user === null) return showSignIn();
  const { device, copied, release } = await claimDevice({ user: user.id, local, session, locks: navigator.locks });
  if (copied) {
    release();
    auth.abandon();
    showSignIn('This tab is a copy of another one. Please sign in here, as the same or as somebody else.');
    return;
  }
  const client = new Client({ base: '', auth, local, device, WebSocket: window.WebSocket, name: 'tidings-web/0.1' });
  const leave = (/** @type {string | undefined} */ notice) => {
    client.stop();
    app.close();
    current = null;
    release();
    location.hash = '';
    showSignIn(notice);
  };
  const signOut = () => {
    client.outbox.clear();
    void auth.logout();
    leave(undefined);
  };
  const app = new App({ client, signOut, signInAgain: () => void auth.logout().then(() => leave(undefined)) });
  auth.onEnd = () => leave('You were signed out. Please sign in again.');
  current = app;
  root.replaceChildren(app.element);
  app.start();
}

if (auth.user === null) showSignIn();
else void showChats();
