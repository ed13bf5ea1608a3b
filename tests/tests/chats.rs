//! Chats and who is in them: each change one event in the chat's log, each role as far as it goes and no further.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tidings_tests::stories::{assert_whole, id_of, kinds, seqs, texts};
use tidings_tests::{Person, Tidings, new_id};

/// Members of the chat as `who` is shown them, with their roles.
async fn members(who: &Person, chat: &str) -> Vec<(String, String)> {
    let mut members = Vec::new();
    let mut query = "limit=30".to_owned();
    loop {
        let page = who.get(&format!("/v1/chats/{chat}/members?{query}")).await.ok();
        members.extend(page["members"].as_array().expect("members").iter().map(|member| {
            let field = |name: &str| member[name].as_str().expect("a text").to_owned();
            (field("user"), field("role"))
        }));
        match page["more"].as_str() {
            Some(cursor) => query = format!("limit=30&cursor={cursor}"),
            None => return members,
        }
    }
}

#[tokio::test]
async fn two_who_open_their_direct_chat_at_once_meet_in_it() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let (hers, his) = tokio::join!(ann.direct(&bob), bob.direct(&ann));
    assert_eq!(hers["id"], his["id"]);
    assert_eq!((&hers["with"], &his["with"]), (&json!(bob.id), &json!(ann.id)));
    assert_eq!(ann.direct(&bob).await["id"], hers["id"]);
    let log = ann.history(&id_of(&hers)).await;
    assert_eq!(kinds(&log), ["created"]);
    assert_eq!((&hers["kind"], &hers["members"]), (&json!("direct"), &json!(2)));
}

#[tokio::test]
async fn a_direct_chat_is_of_two_and_stays_as_it_is() {
    let tidings = Tidings::shared().await;
    let [ann, bob, cid] = tidings.people(["ann", "bob", "cid"]).await;
    let alone = json!({ "kind": "direct", "with": ann.id });
    ann.call("POST", "/v1/chats", Some(&alone)).await.refused(400, "bad_field");
    let nobody = json!({ "kind": "direct", "with": new_id() });
    ann.call("POST", "/v1/chats", Some(&nobody)).await.refused(404, "no_such_user");
    let chat = id_of(&ann.direct(&bob).await);
    ann.put_member(&chat, &cid, None).await.refused(403, "not_allowed");
    ann.remove(&chat, &bob).await.refused(403, "not_allowed");
    ann.remove(&chat, &ann).await.refused(403, "not_allowed");
    ann.rename(&chat, "ours").await.refused(403, "not_allowed");
    assert_eq!(kinds(&bob.history(&chat).await), ["created"]);
}

#[tokio::test]
async fn a_group_asked_for_many_times_is_made_once() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let body =
        json!({ "kind": "group", "client_id": new_id(), "title": " Trip ", "members": [bob.id, bob.id, ann.id] });
    let answers = join_all((0..8).map(|_| ann.call("POST", "/v1/chats", Some(&body)))).await;
    let chats: Vec<Value> = answers.into_iter().map(|answer| answer.ok()).collect();
    assert!(chats.iter().all(|chat| chat["id"] == chats[0]["id"] && chat["title"] == "Trip"), "{chats:?}");
    let log = bob.history(&id_of(&chats[0])).await;
    assert_eq!(kinds(&log), ["created"]);
    assert_eq!(log[0]["event"]["body"]["members"], json!([ann.id, bob.id]));
    let theirs = bob.call("POST", "/v1/chats", Some(&body)).await.ok();
    assert_ne!(theirs["id"], chats[0]["id"], "the same client_id of somebody else is another chat");
}

#[tokio::test]
async fn each_change_is_exactly_one_event() {
    let tidings = Tidings::shared().await;
    let [ann, bob, cid] = tidings.people(["ann", "bob", "cid"]).await;
    let chat = id_of(&ann.group("Trip", &[&bob]).await);
    ann.put_member(&chat, &cid, None).await.ok();
    ann.put_member(&chat, &bob, Some("admin")).await.ok();
    assert_eq!(bob.rename(&chat, "Journey").await.ok()["title"], "Journey");
    bob.remove(&chat, &cid).await.ok();
    bob.remove(&chat, &bob).await.ok();
    let log = ann.history(&chat).await;
    let told: Vec<(&str, &str, Value)> = log[1..]
        .iter()
        .map(|entry| &entry["event"])
        .map(|event| {
            (event["kind"].as_str().expect("a kind"), event["from"].as_str().expect("a sender"), event["body"].clone())
        })
        .collect();
    let (a, b) = (ann.id.as_str(), bob.id.as_str());
    let expected = [
        ("member_added", a, json!({ "user": cid.id, "role": "member" })),
        ("role_changed", a, json!({ "user": bob.id, "role": "admin" })),
        ("renamed", b, json!({ "title": "Journey" })),
        ("member_removed", b, json!({ "user": cid.id })),
        ("member_left", b, json!({})),
    ];
    assert_eq!(told, expected);
    assert_whole(&log);
    assert_eq!(members(&ann, &chat).await, [(ann.id.clone(), "owner".to_owned())]);
    assert_eq!(ann.summary(&chat).await["members"], 1);
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_a_success_without_an_event() {
    let tidings = Tidings::shared().await;
    let [ann, bob, cid] = tidings.people(["ann", "bob", "cid"]).await;
    let chat = id_of(&ann.group("Trip", &[&bob]).await);
    ann.put_member(&chat, &bob, None).await.ok();
    ann.put_member(&chat, &bob, Some("member")).await.ok();
    bob.put_member(&chat, &ann, Some("owner")).await.ok();
    ann.remove(&chat, &cid).await.ok();
    ann.rename(&chat, "Trip").await.ok();
    let seq = ann.say(&chat, "hi").await;
    bob.read(&chat, seq).await.ok();
    bob.read(&chat, seq).await.ok();
    assert_eq!(kinds(&ann.history(&chat).await), ["created", "message"]);
}

#[tokio::test]
async fn a_role_goes_so_far_and_no_further() {
    let tidings = Tidings::shared().await;
    let [ann, bob, cid, dan, eve] = tidings.people(["ann", "bob", "cid", "dan", "eve"]).await;
    let chat = id_of(&ann.group("Trip", &[&bob, &cid]).await);
    ann.put_member(&chat, &bob, Some("admin")).await.ok();
    let (admin, member, outsider) = (&bob, &cid, &eve);
    for answer in [
        member.rename(&chat, "Mine").await,
        member.put_member(&chat, &dan, None).await,
        member.remove(&chat, admin).await,
        member.put_member(&chat, member, Some("owner")).await,
        admin.put_member(&chat, &dan, Some("admin")).await,
        admin.put_member(&chat, member, Some("admin")).await,
        admin.put_member(&chat, admin, Some("owner")).await,
        admin.remove(&chat, &ann).await,
    ] {
        answer.refused(403, "not_allowed");
    }
    for answer in [
        outsider.get(&format!("/v1/chats/{chat}")).await,
        outsider.get(&format!("/v1/chats/{chat}/members")).await,
        outsider.get(&format!("/v1/chats/{chat}/messages")).await,
        outsider.put_message(&chat, &new_id(), &json!({ "body": { "text": "let me in" } })).await,
        outsider.rename(&chat, "Mine").await,
        outsider.put_member(&chat, outsider, None).await,
        outsider.remove(&chat, member).await,
        outsider.read(&chat, 1).await,
    ] {
        answer.refused(403, "not_member");
    }
    assert_eq!(kinds(&ann.history(&chat).await), ["created", "role_changed"]);
    admin.put_member(&chat, &dan, None).await.ok();
    admin.remove(&chat, &dan).await.ok();
    member.remove(&chat, member).await.ok();
    ann.put_member(&chat, &dan, Some("admin")).await.ok();
    ann.remove(&chat, admin).await.ok();
    let later = ["member_added", "member_removed", "member_left", "member_added", "member_removed"];
    assert_eq!(kinds(&ann.history(&chat).await)[2..], later);
}

#[tokio::test]
async fn a_group_with_members_keeps_an_owner() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.group("Trip", &[&bob]).await);
    ann.remove(&chat, &ann).await.refused(403, "not_allowed");
    ann.put_member(&chat, &ann, Some("member")).await.refused(403, "not_allowed");
    ann.put_member(&chat, &bob, Some("owner")).await.ok();
    ann.remove(&chat, &ann).await.ok();
    assert_eq!(members(&bob, &chat).await, [(bob.id.clone(), "owner".to_owned())]);
    bob.remove(&chat, &bob).await.ok();
    let log = bob.history(&chat).await;
    assert_eq!(kinds(&log), ["created", "role_changed", "member_left", "member_left"]);
    assert_eq!(ann.summary(&chat).await["left_seq"], log[2]["seq"]);
}

#[tokio::test]
async fn a_removed_member_who_is_added_again_reads_on() {
    let tidings = Tidings::shared().await;
    let [ann, bob] = tidings.people(["ann", "bob"]).await;
    let chat = id_of(&ann.group("Trip", &[&bob]).await);
    ann.remove(&chat, &bob).await.ok();
    ann.say(&chat, "while you were away").await;
    assert_eq!(texts(&bob.history(&chat).await), [""; 0]);
    ann.put_member(&chat, &bob, None).await.ok();
    assert_eq!(texts(&bob.history(&chat).await), ["while you were away"]);
    bob.say(&chat, "back").await;
    assert_eq!(ann.history(&chat).await, bob.history(&chat).await);
}

#[tokio::test]
async fn a_hundred_members_read_one_log() {
    let tidings = Tidings::shared().await;
    let ann = tidings.person("ann").await;
    let others = join_all((0..99).map(|_| tidings.person("member"))).await;
    let chat = id_of(&ann.group("Everybody", &others.iter().collect::<Vec<_>>()).await);
    let mut expected: Vec<String> = others.iter().chain([&ann]).map(|member| member.id.clone()).collect();
    expected.sort();
    let shown: Vec<String> = members(&others[7], &chat).await.into_iter().map(|(user, _)| user).collect();
    assert_eq!(shown, expected, "each once, in order, over four pages");
    for (speaker, text) in [(&others[0], "one"), (&others[50], "two"), (&ann, "three")] {
        speaker.say(&chat, text).await;
    }
    let log = ann.history(&chat).await;
    assert_eq!(texts(&log), ["one", "two", "three"]);
    let seen = join_all(others.iter().map(|member| member.history(&chat))).await;
    assert!(seen.iter().all(|history| seqs(history) == seqs(&log)));
    let unread = join_all(others[60..].iter().map(|member| member.summary(&chat))).await;
    assert!(unread.iter().all(|summary| summary["unread"] == 3 && summary["members"] == 100));
}
