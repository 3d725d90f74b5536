//! Operations against a server that does what a store does, and what no server should.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use erlmcp_protocol::operation;
use erlmcp_record::operations::{Event, OperationReader, OperationRecord, Reason, agent_journal};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Counts, Operations, Wanted};
use crate::allowed::Allowed;
use crate::net::tls::Tls;
use crate::net::tls::tests::server;

/// What a server does about the n-th attempt that it gets.
type Does = fn(u64) -> Act;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Answer,
    /// It is done, and the connection is reset.
    DoneAndGone,
    Refuse,
    /// As the store's doing.
    RefuseForStore,
    /// A 503 that does not say so.
    Hide,
    /// The answer comes twice.
    Twice,
    /// The answer is to another request.
    Other,
    Gone,
}

#[derive(Debug)]
struct Store {
    attempts: u64,
    /// Results by operation; None: never.
    done: HashMap<String, Option<Value>>,
    effects: u64,
}

/// A server on its own address, until the test's runtime ends.
async fn serve(does: Does) -> (SocketAddr, Arc<Mutex<Store>>) {
    serve_over(None, does).await
}

async fn serve_over(tls: Option<TlsAcceptor>, does: Does) -> (SocketAddr, Arc<Mutex<Store>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let store = Arc::new(Mutex::new(Store { attempts: 0, done: HashMap::new(), effects: 0 }));
    let kept = Arc::clone(&store);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, store) = (tls.clone(), Arc::clone(&store));
            tokio::spawn(async move {
                let Some(tls) = tls else { return connection(stream, store, does).await };
                if let Ok(secured) = tls.accept(stream).await {
                    connection(secured, store, does).await;
                }
            });
        }
    });
    (address, kept)
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, store: Arc<Mutex<Store>>, does: Does) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = request(&mut stream).await {
        let answer = answered(&request, &mut store.lock().expect("no panic"), does);
        let Some((status, mut body)) = answer else { return };
        body["jsonrpc"] = json!("2.0");
        let id = request["id"].as_u64().expect("a number");
        body["id"] = json!(if body["result"]["act"] == "Other" { id + 1_000_000 } else { id });
        let copies = if body["result"]["act"] == "Twice" { 2 } else { 1 };
        let body = body.to_string();
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        if stream.write_all((head + &body).repeat(copies).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request's message; None at the end.
async fn request(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}

fn answered(request: &Value, store: &mut Store, does: Does) -> Option<(u16, Value)> {
    let params = &request["params"];
    if request["method"] == operation::STATUS {
        let id = params["operation"].as_str().expect("an id").to_string();
        let body = match store.done.entry(id).or_insert(None) {
            Some(result) => json!({"state": "done", "epoch": 1, "result": result}),
            None => json!({"state": "never", "epoch": 0}),
        };
        return Some((200, json!({"result": body})));
    }
    assert_eq!((&request["method"], &params["name"]), (&json!("tools/call"), &json!("append")));
    let id = params["_meta"][operation::META].as_str().expect("an id").to_string();
    store.attempts += 1;
    let act = does(store.attempts);
    let error = |data: Value| json!({"error": {"code": 53_003, "message": "no", "data": data}});
    match act {
        Act::Refuse => return Some((503, error(json!({"executed": false, "retryAfterMs": 1})))),
        Act::RefuseForStore => {
            return Some((503, error(json!({"executed": false, "retryAfterMs": 1, "scope": "store"}))));
        }
        Act::Hide => return Some((503, error(json!({})))),
        Act::Gone => return None,
        Act::Answer | Act::DoneAndGone | Act::Twice | Act::Other => {}
    }
    let replayed = store.done.contains_key(&id);
    let mut result = match store.done.get(&id) {
        Some(None) => return Some((410, error(json!({"state": "never", "executed": false})))),
        Some(Some(result)) => result.clone(),
        None => {
            store.effects += 1;
            let result = json!({"content": [{"type": "text", "text": params["arguments"]["nonce"]}]});
            store.done.insert(id.clone(), Some(result.clone()));
            result
        }
    };
    if act == Act::DoneAndGone {
        return None;
    }
    result["resultType"] = json!("complete");
    result["_meta"] = json!({operation::META: {"operation": id, "epoch": 1, "replayed": replayed}});
    if matches!(act, Act::Twice | Act::Other) {
        result["act"] = json!(format!("{act:?}"));
    }
    Some((200, json!({"result": result})))
}

/// Sends operations to these addresses until some were begun: what was counted, and the records.
async fn sent(endpoints: &[SocketAddr], begun: u64) -> (Counts, Vec<OperationRecord>) {
    sent_over(None, endpoints, begun).await
}

async fn sent_over(tls: Option<Tls>, endpoints: &[SocketAddr], begun: u64) -> (Counts, Vec<OperationRecord>) {
    let folder = tempfile::tempdir().expect("a folder");
    let endpoints: Vec<(u16, SocketAddr)> = (1..).zip(endpoints.iter().copied()).collect();
    let operations = Operations::begin(&Wanted {
        agent: 3,
        folder: folder.path(),
        rate: 2_000.0,
        lanes: 4,
        tool: "append",
        endpoints: &endpoints,
        allowed: Allowed { foreign: false },
        tls,
        authority: "127.0.0.1",
        path: "/mcp",
        seed: 7,
    })
    .expect("they begin");
    while operations.shared.journal(|journal| journal.counts().begun) < begun {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let counts = operations.end().await.expect("they end");
    (counts, records(folder.path()))
}

fn records(folder: &Path) -> Vec<OperationRecord> {
    OperationReader::open(&agent_journal(folder, 3))
        .expect("a journal")
        .map(|record| record.expect("a record"))
        .collect()
}

fn of(records: &[OperationRecord], event: Event) -> Vec<OperationRecord> {
    records.iter().filter(|record| record.event == event).copied().collect()
}

/// Operations that the store has said never were.
fn nevers(records: &[OperationRecord]) -> u64 {
    let resolved = of(records, Event::Resolved);
    let never = resolved.iter().filter(|record| record.reason == Reason::Never);
    never.map(|record| record.operation).collect::<std::collections::BTreeSet<_>>().len() as u64
}

#[tokio::test]
async fn each_is_journaled_before_it_is_sent_and_at_its_end() {
    let (address, store) = serve(|_| Act::Answer).await;
    let (counts, records) = sent(&[address], 300).await;
    let store = store.lock().expect("no panic");
    assert!(counts.begun >= 300 && counts.settled == counts.begun, "{counts:?}");
    let extra = counts.attempts - counts.begun;
    assert!(extra > 0 && extra <= counts.begun / 10 + 3, "{counts:?}");
    let late = nevers(&records);
    assert_eq!((store.attempts, store.effects), (counts.attempts - late, counts.begun - late));
    let (invokes, oks) = (of(&records, Event::Invoke), of(&records, Event::Ok));
    assert_eq!((invokes.len() as u64, oks.len() as u64), (counts.attempts, counts.attempts - 2 * late));
    assert!(oks.iter().filter(|ok| ok.replayed).count() as u64 == extra - late, "sent again, answered from the store");
    for refused in of(&records, Event::Fail) {
        assert!([Reason::NotSent, Reason::Settled].contains(&refused.reason), "late ones only: {refused:?}");
    }
    for ok in &oks {
        let invoke = invokes.iter().find(|invoke| invoke.operation == ok.operation).expect("it was begun");
        assert!(invoke.at_ns <= ok.at_ns && invoke.nonce == ok.nonce && ok.epoch == 1);
        let result = store.done[&ok.operation.to_string()].clone().expect("done");
        let text = operation::result_text(result.to_string().as_bytes()).expect("an object");
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        assert_eq!(ok.hash, operation::short(digest.as_ref()), "as the store takes it");
    }
    let end = records.last().expect("an end");
    assert_eq!((end.event, end.begun, end.settled), (Event::End, counts.begun, counts.begun));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_fetched_and_never_done_again() {
    let (address, store) = serve(|attempt| if attempt % 10 == 3 { Act::DoneAndGone } else { Act::Answer }).await;
    let (counts, records) = sent(&[address], 60).await;
    assert_eq!(counts.settled, counts.begun);
    let never = nevers(&records);
    assert_eq!(store.lock().expect("no panic").effects, counts.begun - never, "each once");
    let lost = of(&records, Event::Info);
    assert!(!lost.is_empty() && lost.iter().all(|info| info.reason == Reason::Closed), "{lost:?}");
    assert!(of(&records, Event::Ok).iter().any(|ok| ok.replayed));
}

#[tokio::test]
async fn through_tls_each_happens_once_as_well() {
    let does: Does = |attempt| if attempt % 10 == 3 { Act::DoneAndGone } else { Act::Answer };
    let (address, store) = serve_over(Some(TlsAcceptor::from(Arc::new(server()))), does).await;
    let tls = Tls::new("localhost", "", true).expect("nobody has to be trusted");
    let (counts, records) = sent_over(Some(tls), &[address], 60).await;
    assert_eq!(counts.settled, counts.begun);
    assert_eq!(store.lock().expect("no panic").effects, counts.begun - nevers(&records), "each once");
    assert!(!of(&records, Event::Info).is_empty() && of(&records, Event::Ok).iter().any(|ok| ok.replayed));
}

#[tokio::test]
async fn what_is_refused_is_tried_again_and_what_is_lost_is_settled_as_never() {
    let (address, store) = serve(|attempt| match attempt {
        _ if attempt % 16 == 2 => Act::Refuse,
        _ if attempt % 16 == 9 => Act::Hide,
        _ if attempt > 80 => Act::Gone,
        _ => Act::Answer,
    })
    .await;
    let (counts, records) = sent(&[address], 100).await;
    assert_eq!(counts.settled, counts.begun, "whatever is lost, its fate is known");
    let reasons = |event| of(&records, event).iter().map(|record| record.reason).collect::<Vec<_>>();
    assert!(reasons(Event::Fail).contains(&Reason::Refused));
    assert!(reasons(Event::Info).contains(&Reason::Unmarked));
    assert!(reasons(Event::Resolved).contains(&Reason::Never));
    let retries = counts.attempts - counts.begun;
    assert!(retries <= 3 + counts.begun / 10, "{retries} retries of {}", counts.begun);
    let store = store.lock().expect("no panic");
    assert_eq!(store.effects, store.done.values().flatten().count() as u64);
}

/// What comes behind an answer, or for another request, is no answer; the operation goes on on another connection.
#[tokio::test]
async fn an_answer_to_nothing_that_was_asked_is_journaled() {
    for strange in [Act::Twice, Act::Other] {
        let does: Does = match strange {
            Act::Twice => |attempt| if attempt % 10 == 3 { Act::Twice } else { Act::Answer },
            _ => |attempt| if attempt % 10 == 3 { Act::Other } else { Act::Answer },
        };
        let (address, _) = serve(does).await;
        let (counts, records) = sent(&[address], 60).await;
        assert_eq!(counts.settled, counts.begun);
        let infos = of(&records, Event::Info);
        assert!(
            !infos.is_empty() && infos.iter().all(|info| info.reason == Reason::NotAnAnswer),
            "{strange:?}: {infos:?}"
        );
    }
}

#[tokio::test]
async fn what_the_store_refuses_is_told_from_a_full_queue() {
    let does: Does = |attempt| if attempt % 10 == 3 { Act::RefuseForStore } else { Act::Answer };
    let (address, _) = serve(does).await;
    let (_, records) = sent(&[address], 60).await;
    let reasons: Vec<Reason> = of(&records, Event::Fail).iter().map(|fail| fail.reason).collect();
    assert!(reasons.contains(&Reason::RefusedElsewhere) && !reasons.contains(&Reason::Refused), "{reasons:?}");
}

#[tokio::test]
async fn a_replica_that_is_not_there_is_left() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let (address, _) = serve(|_| Act::Answer).await;
    let (counts, records) = sent(&[closed, address], 40).await;
    assert_eq!(counts.settled, counts.begun);
    let failed = of(&records, Event::Fail);
    let refused: Vec<_> = failed.iter().filter(|fail| fail.reason == Reason::ConnectRefused).collect();
    assert!(!refused.is_empty() && refused.iter().all(|fail| fail.replica == 1));
}

#[tokio::test]
async fn a_journal_that_is_there_already_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(agent_journal(folder.path(), 3), "").expect("written");
    let endpoints = [(1, "127.0.0.1:1".parse().expect("an address"))];
    let (folder, endpoints) = (folder.path(), &endpoints);
    let wanted = Wanted {
        agent: 3,
        folder,
        rate: 1.0,
        lanes: 1,
        tool: "append",
        endpoints,
        allowed: Allowed { foreign: false },
        tls: None,
        authority: "127.0.0.1",
        path: "/mcp",
        seed: 7,
    };
    let error = Operations::begin(&wanted).expect_err("refused");
    assert!(error.to_string().contains("cannot write the journal"), "{error}");
}
