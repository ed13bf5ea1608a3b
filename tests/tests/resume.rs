//! Coming back: what a resume token is good for, and reading a chat's past in every direction.

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::{Value, json};
use tidings_protocol::Since;
use tidings_tests::stories::{assert_whole, id_of, seq_of, seqs, texts};
use tidings_tests::{Person, Tidings, Wire, until};

/// Messages of the chats whose past is read.
const MESSAGES: u64 = 250;

/// A token after which nothing moves any more: late pointers to what a test did before are in it.
async fn quiet_token(person: &Person) -> String {
    let mut since = person.hello(None).await.1["since"].as_str().expect("a token").to_owned();
    let mut calm = 0;
    until("nothing moves", async || {
        let (_, welcome) = person.hello(Some(&since)).await;
        assert_eq!(welcome["resumed"], true);
        since = welcome["since"].as_str().expect("a token").to_owned();
        let moving = person.get("/v1/chats").await.ok();
        let pointed = moving["chats"].as_array().is_some_and(|chats| !chats.is_empty());
        calm = if welcome["chats"] == json!([]) && pointed { calm + 1 } else { 0 };
        // The second pointer to a chat comes a second after the first: this many looks take longer.
        (calm == 60).then_some(())
    })
    .await;
    since
}

/// A chat of ann and bob with many messages, and its whole log.
async fn long_chat(tidings: &Tidings) -> (Person, Person, String, Vec<Value>) {
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.group("Long", &[&bob]).await);
    let mut wire = ann.online().await;
    let mut ids = Vec::new();
    for number in 1..=MESSAGES {
        ids.push(wire.post_text(&chat, &number.to_string()).await);
    }
    for id in ids {
        assert_eq!(wire.answer(id).await["type"], "sent");
    }
    let log = ann.history(&chat).await;
    assert_whole(&log);
    assert_eq!(texts(&log), (1..=MESSAGES).map(|number| number.to_string()).collect::<Vec<_>>());
    (ann, bob, chat, log)
}

#[tokio::test]
async fn a_token_tells_exactly_what_moved() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let direct = id_of(&ann.direct(&bob).await);
    let group = id_of(&ann.group("Trip", &[&bob]).await);
    ann.say(&group, "before").await;
    let since = quiet_token(&bob).await;
    let told = bob.hello(Some(&since)).await.1;
    assert_eq!((&told["resumed"], &told["chats"], &told["more"]), (&json!(true), &json!([]), &Value::Null));
    let seq = ann.say(&direct, "while you were away").await;
    let told = until("the chat is pointed to", async || {
        let (_, welcome) = bob.hello(Some(&since)).await;
        assert_eq!(welcome["resumed"], true);
        (welcome["chats"] != json!([])).then_some(welcome)
    })
    .await;
    let chats = told["chats"].as_array().expect("chats");
    assert_eq!(chats.len(), 1, "{told}");
    assert_eq!((&chats[0]["id"], seq_of(&chats[0]["newest"]), &chats[0]["unread"]), (&json!(direct), seq, &json!(1)));
    assert_eq!(told["unread"], json!({ "chats": 1, "messages": 1 }));
    let afterwards = bob.hello(told["since"].as_str()).await.1;
    assert_eq!((&afterwards["resumed"], &afterwards["chats"]), (&json!(true), &json!([])));
}

#[tokio::test]
async fn what_moved_just_before_hello_is_told_or_follows() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    let mut since = None;
    let mut last = seq_of(&ann.summary(&chat).await["newest"]);
    for round in 0..40 {
        let seq = ann.say(&chat, &format!("{round}")).await;
        let (mut wire, welcome) = bob.hello(since.as_deref()).await;
        let told = welcome["chats"].as_array().expect("chats").iter().find(|line| line["id"] == chat.as_str());
        let got = match told {
            Some(line) if seq_of(&line["newest"]) >= seq => wire.sync(&chat, last).await,
            _ => vec![new_event(&mut wire, &chat, last).await],
        };
        assert_eq!(seqs(&got), [seq], "round {round}: {welcome}");
        last = seq;
        since = welcome["since"].as_str().map(str::to_owned);
    }
}

/// The next event that a client which has everything up to `last` does not drop; it shows no gap.
async fn new_event(wire: &mut Wire, chat: &str, last: u64) -> Value {
    loop {
        let event = wire.event(chat).await;
        if seq_of(&event) > last {
            assert!(event["prev"].as_u64().is_some_and(|prev| prev <= last), "a hole after {last}: {event}");
            return event;
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_starts_afresh() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.direct(&bob).await);
    until("the chat is in the list", async || {
        (ann.get("/v1/chats").await.ok()["chats"][0]["id"] == chat.as_str()).then_some(())
    })
    .await;
    let good: Since = ann.hello(None).await.1["since"].as_str().expect("a token").parse().expect("a token");
    let bobs = bob.hello(None).await.1["since"].as_str().expect("a token").to_owned();
    let tokens = [
        ("another user's", bobs),
        ("of an old log", Since { epoch: good.epoch - 1, ..good }.to_string()),
        ("of another stream", Since { stream: good.stream + 1, ..good }.to_string()),
        ("nearly as old as the inbox", Since { time_ms: good.time_ms - 7 * 24 * 3_600_000, ..good }.to_string()),
        ("invented", "invented".to_owned()),
        ("empty", String::new()),
        ("damaged", good.to_string().replace(|letter: char| letter.is_ascii_digit(), "7")),
    ];
    for (which, token) in tokens {
        let told = ann.hello(Some(&token)).await.1;
        assert_eq!((&told["resumed"], &told["chats"][0]["id"]), (&json!(false), &json!(chat)), "{which}");
        assert!(told["since"].is_string(), "{which}");
    }
    assert_eq!(ann.hello(Some(&good.to_string())).await.1["resumed"], true);
}

#[tokio::test]
async fn a_long_list_comes_in_pages_each_chat_once() {
    let tidings = Tidings::shared().await;
    let ann = tidings.person("ann").await;
    let made = stream::iter(0..120).map(async |_| id_of(&ann.group("Chat", &[]).await)).buffer_unordered(8);
    let mut made: Vec<String> = made.collect().await;
    made.sort();
    let (mut wire, listed) = until("all chats are in the list", async || {
        let (mut wire, welcome) = ann.hello(None).await;
        assert!(welcome["chats"].as_array().is_some_and(|chats| chats.len() <= 120));
        let (mut listed, mut more) = (ids(&welcome["chats"]), welcome["more"].clone());
        while more.is_string() {
            let page = wire.ask(json!({ "type": "chats", "cursor": more, "limit": 40 })).await;
            listed.append(&mut ids(&page["chats"]));
            more = page["more"].clone();
        }
        (listed.len() >= 120).then_some((wire, listed))
    })
    .await;
    let mut once = listed.clone();
    once.sort();
    assert_eq!(once, made);
    let page = wire.ask(json!({ "type": "chats", "limit": 7 })).await;
    assert_eq!(ids(&page["chats"]).len(), 7);
    assert_eq!(ids(&ann.get("/v1/chats?limit=100").await.ok()["chats"]).len(), 100);
}

fn ids(chats: &Value) -> Vec<String> {
    chats.as_array().expect("chats").iter().map(id_of).collect()
}

#[tokio::test]
async fn sync_pages_until_it_is_complete() {
    let tidings = Tidings::shared().await;
    let (ann, bob, chat, log) = long_chat(tidings).await;
    let mut wire = bob.online().await;
    let mut entries: Vec<Value> = Vec::new();
    let mut limited = Vec::new();
    while limited.last() != Some(&false) {
        let after = entries.last().map_or(0, seq_of);
        let mut synced = wire.ask(json!({ "type": "sync", "chat": chat, "after": after })).await;
        entries.append(synced["items"].as_array_mut().expect("items"));
        limited.push(synced["limited"] == true);
        assert_eq!(synced["cursor"].is_string(), synced["limited"] == true, "{synced}");
    }
    assert_eq!((seqs(&entries), limited), (seqs(&log), vec![true, true, false]));
    assert_whole(&entries);
    for after in [0, 1, 99, 100, 101, 249] {
        let from = seq_of(&log[after]);
        assert_eq!(seqs(&wire.sync(&chat, from).await), seqs(&log[after + 1..]), "after {after}");
    }
    assert_eq!(wire.sync(&chat, seq_of(&log[250])).await, [json!(null); 0]);
    let seq = ann.say(&chat, "live again").await;
    let event = wire.event(&chat).await;
    assert_eq!((seq_of(&event), &event["prev"]), (seq, &log[250]["seq"]));
}

#[tokio::test]
async fn cursors_lead_through_the_whole_history_both_ways() {
    let tidings = Tidings::shared().await;
    let (_, bob, chat, log) = long_chat(tidings).await;
    let mut wire = bob.online().await;
    for limit in [7, 50, 100] {
        let back = walk(&mut wire, json!({ "type": "history", "chat": chat, "limit": limit }), "older").await;
        assert_eq!(back.iter().rev().flat_map(|page| seqs(page)).collect::<Vec<_>>(), seqs(&log), "back by {limit}");
        let start = json!({ "type": "history", "chat": chat, "limit": limit, "after": 0 });
        let forth = walk(&mut wire, start, "newer").await;
        assert_eq!(forth.concat(), log_like(&log, &forth.concat()), "forth by {limit}");
        assert!(forth[..forth.len() - 1].iter().all(|page| page.len() == limit), "full pages");
    }
}

/// The pages from `request` on, following one cursor to its end.
async fn walk(wire: &mut Wire, mut request: Value, way: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    loop {
        let mut page = wire.ask(request.clone()).await;
        pages.push(std::mem::take(page["items"].as_array_mut().expect("items")));
        if page[way].is_null() {
            return pages;
        }
        for place in ["after", "before", "around"] {
            request.as_object_mut().expect("a request").remove(place);
        }
        request["cursor"] = page[way].clone();
    }
}

/// The log as these entries show it: `n` is there only once it is materialised.
fn log_like(log: &[Value], entries: &[Value]) -> Vec<Value> {
    let mut shown = log.to_vec();
    for (known, entry) in shown.iter_mut().zip(entries) {
        for field in ["n", "prev"] {
            if entry[field].is_null() || known[field].is_null() {
                known[field] = entry[field].clone();
            }
        }
        if known["n"].is_null() {
            known.as_object_mut().expect("an entry").remove("n");
        }
        if known["prev"].is_null() {
            known.as_object_mut().expect("an entry").remove("prev");
        }
    }
    shown
}

#[tokio::test]
async fn every_place_shows_its_neighbours() {
    let tidings = Tidings::shared().await;
    let (_, bob, chat, log) = long_chat(tidings).await;
    let all = seqs(&log);
    let places = [0, 1, 5, 9, 125, 240, 249, 250];
    join_all(places.map(async |at| {
        let seq = all[at];
        let before = bob.page(&chat, &format!("before={seq}&limit=10")).await;
        assert_eq!(page_seqs(&before), all[at.saturating_sub(10)..at], "before {at}");
        let after = bob.page(&chat, &format!("after={seq}&limit=10")).await;
        assert_eq!(page_seqs(&after), all[at + 1..(at + 11).min(all.len())], "after {at}");
        let around = bob.page(&chat, &format!("around={seq}&limit=10")).await;
        let (from, to) = ((at + 1).saturating_sub(5), (at + 6).min(all.len()));
        assert_eq!(page_seqs(&around), all[from..to], "around {at}");
        assert_eq!(around["older"].is_null(), from == 0, "around {at}");
        assert_eq!(around["newer"].is_null(), to == all.len(), "around {at}");
    }))
    .await;
    assert_eq!(page_seqs(&bob.page(&chat, "").await), all[201..], "the newest 50");
    assert_eq!(page_seqs(&bob.page(&chat, "before=1").await), [0; 0]);
    assert_eq!(page_seqs(&bob.page(&chat, &format!("after={}", u64::MAX)).await), [0; 0]);
    assert_eq!(page_seqs(&bob.page(&chat, &format!("before={}&limit=2", u64::MAX)).await), all[249..]);
    assert_eq!(page_seqs(&bob.page(&chat, &format!("around={}&limit=2", u64::MAX)).await), all[250..]);
    assert_eq!(bob.online().await.sync(&chat, u64::MAX).await, [json!(null); 0]);
}

fn page_seqs(page: &Value) -> Vec<u64> {
    seqs(page["items"].as_array().expect("items"))
}

#[tokio::test]
async fn a_removed_members_past_ends_with_the_removal() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.group("Trip", &[&bob]).await);
    let mut wire = bob.online().await;
    ann.say(&chat, "all of us").await;
    ann.remove(&chat, &bob).await.ok();
    ann.say(&chat, "just us").await;
    let whole = ann.history(&chat).await;
    let his = &whole[..3];
    let left = seq_of(&his[2]);
    assert_eq!(seqs(&bob.history(&chat).await), seqs(his));
    assert_eq!(seqs(&wire.sync(&chat, 0).await), seqs(his));
    assert_eq!(wire.sync(&chat, left).await, [json!(null); 0]);
    for query in [format!("after={}", seq_of(&his[0])), format!("around={left}"), format!("before={}", left + 100)] {
        let page = bob.page(&chat, &query).await;
        assert_eq!((page_seqs(&page).last(), &page["newer"]), (Some(&left), &Value::Null), "{query}");
    }
    assert_eq!(page_seqs(&bob.page(&chat, &format!("after={left}")).await), [0; 0]);
    let summary = bob.summary(&chat).await;
    assert_eq!((&summary["left_seq"], &summary["role"]), (&json!(left), &Value::Null));
    assert_eq!((seq_of(&summary["newest"]), &summary["newest"]["preview"]), (left, &json!("all of us")));
}
