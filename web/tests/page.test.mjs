// The page in real Chromium against a running server (TIDINGS_URL; `mock` starts the small one of these tests).
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { contrast, launch, PHONE, shot } from './browser.mjs';
import { MockServer } from './mock/server.mjs';
import { api, backUp, direct, enter, field, group, Line, line, message, person, say, state, texts, until, Windows, write } from './story.mjs';

let url = process.env.TIDINGS_URL;
let mock = null;
let browser;
let windows;

before(async () => {
  assert.ok(url, 'TIDINGS_URL must name a running server (or be "mock")');
  if (url === 'mock') {
    mock = await new MockServer().start();
    url = mock.url;
  }
  browser = await launch();
  windows = new Windows(browser, url);
});

afterEach(async () => {
  const { problems } = windows;
  windows.problems = [];
  await windows.close();
  assert.deepEqual(problems, []);
});

after(async () => {
  await browser?.close();
  await mock?.stop();
});

test('alice and bob come in by one click and chat both ways', async () => {
  const stamp = Date.now().toString(36);
  const alice = await windows.open();
  await alice.getByRole('button', { name: 'Continue as Alice' }).waitFor();
  await shot(alice, 'sign-in');
  await alice.getByRole('button', { name: 'Continue as Alice' }).click();
  const bob = await windows.open();
  await bob.getByRole('button', { name: 'Continue as Bob' }).click();
  await bob.getByRole('heading', { name: 'Bob', level: 1 }).waitFor();

  await alice.getByRole('button', { name: 'New chat' }).click();
  await alice.getByLabel('Who, by handle').fill('@bob');
  await alice.getByRole('button', { name: 'Start chat' }).click();
  await alice.getByRole('heading', { name: 'Bob', level: 2 }).waitFor();
  await write(alice, `Good morning ${stamp}`);
  await state(alice, `Good morning ${stamp}`, 'sent');

  await line(bob, 'Alice').getByRole('img', { name: /unread/ }).waitFor();
  await until(async () => /^\(\d+\) Tidings$/.test(await bob.title()), 'the window title counts');
  await enter(bob, 'Alice');
  await message(bob, `Good morning ${stamp}`).waitFor();
  await write(bob, `Morning, Alice ${stamp}`);
  await state(bob, `Morning, Alice ${stamp}`, 'sent');
  await message(alice, `Morning, Alice ${stamp}`).waitFor();
  assert.deepEqual((await texts(alice)).slice(-2), [`Good morning ${stamp}`, `Morning, Alice ${stamp}`]);
  assert.deepEqual((await texts(bob)).slice(-2), [`Good morning ${stamp}`, `Morning, Alice ${stamp}`]);
  await line(bob, 'Alice').getByRole('img', { name: /unread/ }).waitFor({ state: 'detached' });
});

test('unread counts are exact and go when the chat is seen, also in the next session', async () => {
  const [carol, dave] = [await person(url, 'Carol'), await person(url, 'Dave')];
  const chat = await direct(carol, dave);
  const page = await windows.of(dave);
  for (const text of ['one', 'two', 'three']) await say(carol, chat, text);
  await line(page, 'Carol').getByRole('img', { name: '3 unread', exact: true }).waitFor();
  await enter(page, 'Carol');
  await page.getByText('New messages').waitFor();
  await line(page, 'Carol').getByRole('img', { name: /unread/ }).waitFor({ state: 'detached' });
  const seen = async () => (await api(url, 'GET', `/v1/chats/${chat.id}`, { token: dave.token })).unread === 0;
  await until(seen, 'the server knows that it was read');
  const later = await windows.of(dave);
  await line(later, 'Carol').waitFor();
  assert.equal(await later.getByRole('img', { name: /unread/ }).count(), 0);
});

test('scrolling back over 120 messages shows each once, in order, and keeps the place', async () => {
  const [erin, frank] = [await person(url, 'Erin'), await person(url, 'Frank')];
  const chat = await direct(erin, frank);
  const all = Array.from({ length: 130 }, (_, at) => `message ${String(at + 1).padStart(3, '0')}`);
  for (const [at, text] of all.entries()) await say(at % 3 === 0 ? frank : erin, chat, text);
  const page = await windows.of(frank);
  await enter(page, 'Erin');
  await message(page, all.at(-1)).waitFor();
  const thread = page.getByRole('region', { name: 'Conversation' });
  const known = async () => (await texts(page)).length;
  await until(async () => (await known()) >= 50, 'a first page');
  for (let turns = 0; (await known()) < all.length && turns < 20; turns += 1) await backUp(page, thread, known);
  assert.deepEqual(await texts(page), all);
  await shot(page, 'scrolled-back');
  await page.getByRole('button', { name: /newest messages/ }).click();
  await until(() => thread.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 4), 'the end');
});

test('a lost connection shows, and what was written meanwhile goes out once, in order', async () => {
  const [gina, hugo] = [await person(url, 'Gina'), await person(url, 'Hugo')];
  const chat = await direct(gina, hugo);
  const wire = new Line();
  const [page, other] = [await windows.of(gina, { line: wire }), await windows.of(hugo)];
  await enter(page, 'Hugo');
  await write(page, 'before');
  await state(page, 'before', 'sent');
  await wire.cut();
  await page.getByText('Not connected.').waitFor();
  await page.getByText(/Trying again in \d+ s/).waitFor();
  for (const text of ['while away 1', 'while away 2', 'while away 3']) await write(page, text);
  await state(page, 'while away 3', 'sending');
  await page.getByText('3 messages will be sent when you are back.').waitFor();
  await shot(page, 'reconnecting');
  await say(hugo, chat, 'missed while away');
  wire.mend();
  await state(page, 'while away 3', 'sent');
  await page.locator('.banner').waitFor({ state: 'hidden' });
  const whole = ['before', 'missed while away', 'while away 1', 'while away 2', 'while away 3'];
  await until(async () => (await texts(page)).join() === whole.join(), 'the chat is whole again');
  await enter(other, 'Gina');
  await until(async () => (await texts(other)).join() === whole.join(), 'the other side has the same');
});

test('an ack that got lost is settled by its own event: never twice, never lost', async () => {
  const [iris, jack] = [await person(url, 'Iris'), await person(url, 'Jack')];
  await direct(iris, jack);
  const wire = new Line();
  const [page, other] = [await windows.of(iris, { line: wire }), await windows.of(jack)];
  await enter(page, 'Jack');
  await enter(other, 'Iris');
  wire.lose = 'sent';
  await write(page, 'stored, but never told');
  await message(other, 'stored, but never told').waitFor();
  await state(page, 'stored, but never told', 'sending');
  await wire.cut();
  await write(page, 'the next one');
  wire.mend();
  await state(page, 'the next one', 'sent');
  await state(page, 'stored, but never told', 'sent');
  const whole = ['stored, but never told', 'the next one'];
  assert.deepEqual(await texts(page), whole);
  await until(async () => (await texts(other)).join() === whole.join(), 'once for the other side, too');
});

test('unsent messages outlive a reload', async () => {
  const [kate, liam] = [await person(url, 'Kate'), await person(url, 'Liam')];
  await direct(kate, liam);
  const wire = new Line();
  const page = await windows.of(kate, { line: wire });
  await enter(page, 'Liam');
  await write(page, 'known');
  await state(page, 'known', 'sent');
  wire.lose = 'sent';
  await write(page, 'told to nobody');
  await wire.cut();
  await write(page, 'kept over the reload');
  await page.reload();
  wire.mend();
  await message(page, 'kept over the reload').waitFor();
  await state(page, 'kept over the reload', 'sent');
  await until(async () => (await texts(page)).join() === 'known,told to nobody,kept over the reload', 'each once');
});

test('a closed tab leaves its unsent messages to the next; a copied tab signs in anew', async () => {
  const [maya, noah] = [await person(url, 'Maya'), await person(url, 'Noah')];
  await direct(maya, noah);
  const wire = new Line();
  const page = await windows.of(maya, { line: wire });
  await enter(page, 'Noah');
  const [copy] = await Promise.all([page.context().waitForEvent('page'), page.evaluate(() => void window.open('/'))]);
  await copy.getByText('This tab is a copy of another one.').waitFor();
  await wire.cut();
  await write(page, 'left behind');
  await page.close();
  wire.mend();
  const next = await windows.signIn(copy, maya);
  await enter(next, 'Noah');
  await state(next, 'left behind', 'sent');
  const other = await windows.of(noah);
  await enter(other, 'Maya');
  assert.deepEqual(await texts(other), ['left behind']);
});

test('an account is made on the page, a wrong password is told, signing out ends it', async () => {
  const page = await windows.open();
  const handle = `paula${Date.now().toString(36)}`;
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByLabel('Name').fill('Paula');
  await page.getByLabel('Handle').fill(handle);
  await page.getByLabel('Password').fill('a long enough one');
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('heading', { name: 'Paula', level: 1 }).waitFor();
  await page.getByText('No chats yet.').waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Paula', level: 1 }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Handle').fill(handle);
  await page.getByLabel('Password').fill('not the right one');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('Handle and password do not match.').waitFor();
  await page.getByLabel('Password').fill('a long enough one');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { name: 'Paula', level: 1 }).waitFor();
});

test('a group: create, rename, add, roles, remove, leave', async () => {
  const [mona, nils, olga] = [await person(url, 'Mona'), await person(url, 'Nils'), await person(url, 'Olga')];
  const [page, other] = [await windows.of(mona), await windows.of(nils)];
  await page.getByRole('button', { name: 'New chat' }).click();
  await page.getByRole('button', { name: 'Group', exact: true }).click();
  await page.getByLabel('Title').fill('Boat trip');
  await page.getByLabel('People, by handle').fill(`@${nils.handle}`);
  await page.getByLabel('People, by handle').press('Enter');
  await page.getByRole('list', { name: 'People' }).getByText('Nils').waitFor();
  await shot(page, 'new-group');
  await page.getByRole('button', { name: 'Create group' }).click();
  await page.getByRole('heading', { name: 'Boat trip', level: 2 }).waitFor();
  await enter(other, 'Boat trip');
  await write(page, 'Who brings the tea?');
  await message(other, 'Who brings the tea?').waitFor();

  await page.getByRole('button', { name: 'Members', exact: true }).click();
  const panel = page.getByRole('complementary');
  await panel.getByLabel('Handle to add').fill(olga.handle);
  await panel.getByRole('button', { name: 'Add' }).click();
  await other.getByText('Mona added Olga').waitFor();
  await panel.getByLabel('Group title').fill('Boat trip in May');
  await panel.getByRole('button', { name: 'Rename' }).click();
  await other.getByRole('heading', { name: 'Boat trip in May', level: 2 }).waitFor();
  await panel.getByLabel('Role of Olga').selectOption('admin');
  await other.getByText('Mona made Olga an admin').waitFor();
  await shot(page, 'members');
  await panel.getByRole('button', { name: 'Remove Olga' }).click();
  await panel.getByRole('button', { name: 'Remove Olga: sure?' }).click();
  await other.getByText('Mona removed Olga').waitFor();

  await other.getByRole('button', { name: 'Members', exact: true }).click();
  await other.getByRole('button', { name: 'Leave group' }).click();
  await other.getByRole('button', { name: 'Leave? Tap again' }).click();
  await page.getByText('Nils left').waitFor();
  await other.getByText('You are no longer in this group').waitFor();
  assert.equal(await field(other).count(), 0);
});

test('a phone shows one pane at a time', async () => {
  const [pete, quin] = [await person(url, 'Pete'), await person(url, 'Quin')];
  const chat = await group(pete, 'Kitchen', [quin]);
  for (const text of ['The oven is on.', 'Bread in twenty minutes!', 'I will bring butter and the good jam. Anything else that we need from the shop?']) await say(pete, chat, text);
  const page = await windows.of(quin, { viewport: PHONE });
  await line(page, 'Kitchen').waitFor();
  await shot(page, 'phone-list');
  await line(page, 'Kitchen').tap();
  await message(page, 'The oven is on.').waitFor();
  assert.equal(await page.getByRole('navigation').isVisible(), false);
  await write(page, 'Just milk, please');
  await state(page, 'Just milk, please', 'sent');
  await shot(page, 'phone-chat');
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), PHONE.width);
  await page.getByRole('button', { name: 'Back to the chats' }).tap();
  await line(page, 'Kitchen').waitFor();
  await page.goBack();
  await message(page, 'Just milk, please').waitFor();
});

test('everything goes by keyboard', async () => {
  const [rosa, sven, tina] = [await person(url, 'Rosa'), await person(url, 'Sven'), await person(url, 'Tina')];
  await direct(rosa, sven);
  await direct(rosa, tina);
  const page = await windows.of(rosa);
  await line(page, 'Tina').waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('sven');
  await line(page, 'Tina').waitFor({ state: 'detached' });
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Sven', level: 2 }).waitFor();
  await page.keyboard.type('first line');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('second line');
  await page.keyboard.press('Enter');
  await state(page, 'first line', 'sent');
  assert.deepEqual(await texts(page), ['first line\nsecond line']);
  await page.keyboard.press('Control+k');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Tina', level: 2 }).waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.press('Escape');
  assert.equal(await field(page).evaluate((box) => box === document.activeElement), true);
});

test('what people write never runs', async () => {
  const [ursula, vic] = [await person(url, 'Ursula'), await person(url, 'Vic')];
  const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script> javascript:alert(3) https://example.org/?q=<b>x</b>';
  const title = '<svg onload=alert(4)>';
  const chat = await group(ursula, title, [vic]);
  await say(ursula, chat, evil);
  const page = await windows.of(vic);
  await enter(page, title);
  await message(page, 'onerror').waitFor();
  assert.deepEqual(await texts(page), [evil]);
  assert.equal(await page.locator('.message img, .message script, .conversation svg[onload]').count(), 0);
  assert.deepEqual(await page.locator('.message a').evaluateAll((links) => links.map((link) => link.href)), ['https://example.org/?q=']);
});

test('the look: light and dark, wide and narrow', async () => {
  const [wim, xena, yuri, zoe] = [await person(url, 'Wim'), await person(url, 'Xena Marsh'), await person(url, 'Yuri'), await person(url, 'Zoe Lindqvist')];
  const chat = await group(wim, 'Lighthouse keepers', [xena, yuri, zoe]);
  const talk = [
    [xena, 'Fog since four. I can see my own hand, not much beyond it.'], [xena, 'The horn is on, one blast every two minutes.'],
    [wim, 'Thank you, Xena. Is the spare lamp back from the workshop?'],
    [yuri, 'It came with the morning boat. I tested it twice, it is bright and steady.\nThe old one can stay as a spare.'],
    [zoe, 'Two ships passed, both answered. The log is at https://example.org/log'], [wim, 'Good. I take over at midnight, sleep well.'],
  ];
  for (const [who, text] of talk) await say(who, chat, text);
  await say(zoe, await direct(wim, zoe), 'The tide tables for next week are on your desk.');
  const tea = await direct(wim, yuri);
  for (const text of ['Coffee at nine?', 'Or tea, if you like that better']) await say(yuri, tea, text);
  await say(wim, await group(wim, 'Boat on Thursday', [zoe]), 'I have two seats left.');
  for (const dark of [false, true]) {
    const [page, phone] = [await windows.of(wim, { dark }), await windows.of(wim, { dark, viewport: PHONE })];
    await line(phone, 'Lighthouse keepers').waitFor();
    await shot(phone, `look-phone-list-${dark ? 'dark' : 'light'}`);
    for (const window of [page, phone]) {
      await enter(window, 'Lighthouse keepers');
      await message(window, 'I take over at midnight').waitFor();
      await window.getByText('Wim created').or(window.getByText('You created')).waitFor();
    }
    await shot(page, `look-${dark ? 'dark' : 'light'}`);
    await shot(phone, `look-phone-${dark ? 'dark' : 'light'}`);
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(background, dark ? 'rgb(18, 23, 24)' : 'rgb(244, 243, 239)');
  }
});

test('colours keep their contrast in both looks', async () => {
  const wim = await person(url, 'Wim');
  const chat = await group(wim, 'Contrast', []);
  await say(wim, chat, 'Own words');
  for (const dark of [false, true]) {
    const page = await windows.of(wim, { dark });
    await enter(page, 'Contrast');
    await message(page, 'Own words').waitFor();
    for (const part of ['.own .text', '.own .meta', '.system', '.mark-day span', '.line-preview', '.line-top time', '.conversation-head p']) {
      const ratio = await page.locator(part).first().evaluate(contrast);
      assert.ok(ratio >= 4.5, `${part} ${dark ? 'dark' : 'light'}: ${ratio.toFixed(2)}`);
    }
    const face = page.locator('.chat-line .avatar').first();
    for (let hue = 0; hue < 8; hue += 1) {
      await face.evaluate((element, name) => { element.className = `avatar ${name}`; }, `hue-${hue}`);
      const ratio = await face.evaluate(contrast);
      assert.ok(ratio >= 4.5, `hue ${hue} ${dark ? 'dark' : 'light'}: ${ratio.toFixed(2)}`);
    }
  }
});
